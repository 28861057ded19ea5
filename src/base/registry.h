#pragma once

#include <iterator>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace base {

// Things that are registered under an id for as long as someone holds them. Not thread-safe.
// What Add returns may outlive the registry.
template <typename T>
class Registry {
 public:
  std::shared_ptr<T> Add(std::string id, T value) {
    auto& of_id = (*entries_)[id];
    of_id.emplace_back();
    const auto position = std::prev(of_id.end());
    const std::weak_ptr<Entries> weak = entries_;
    std::shared_ptr<T> handle(new T(std::move(value)),
                              [weak, id = std::move(id), position](T* held) {
                                if (const auto entries = weak.lock()) {
                                  const auto found = entries->find(id);
                                  found->second.erase(position);
                                  if (found->second.empty()) {
                                    entries->erase(found);
                                  }
                                }
                                delete held;
                              });
    *position = handle;
    return handle;
  }

  // A copy, so that who goes through it may add and remove.
  std::vector<std::weak_ptr<T>> Of(const std::string& id) const {
    const auto found = entries_->find(id);
    if (found == entries_->end()) {
      return {};
    }
    return {found->second.begin(), found->second.end()};
  }

  std::vector<std::string> Ids() const {
    std::vector<std::string> ids;
    for (const auto& [id, entries] : *entries_) {
      ids.push_back(id);
    }
    return ids;
  }

  bool Has(const std::string& id) const { return entries_->count(id) > 0; }

 private:
  using Entries = std::unordered_map<std::string, std::list<std::weak_ptr<T>>>;

  std::shared_ptr<Entries> entries_ = std::make_shared<Entries>();
};

}  // namespace base
