#include "store/watch_list.h"

#include <utility>

namespace store {

job::Store::WatchHandle WatchList::Add(std::string id, std::function<void()> changed) {
  auto& of_job = (*listeners_)[id];
  of_job.emplace_back();
  const auto position = std::prev(of_job.end());
  const std::weak_ptr<Listeners> weak = listeners_;
  std::shared_ptr<Listener> handle(new Listener(std::move(changed)),
                                   [weak, id = std::move(id), position](Listener* listener) {
                                     if (const auto listeners = weak.lock()) {
                                       const auto found = listeners->find(id);
                                       found->second.erase(position);
                                       if (found->second.empty()) {
                                         listeners->erase(found);
                                       }
                                     }
                                     delete listener;
                                   });
  *position = handle;
  return handle;
}

void WatchList::OnQueued(std::function<void()> listener) {
  queued_ = std::make_shared<Listener>(std::move(listener));
}

void WatchList::Notify(const Events& events) {
  // Collected first: a listener may change the list, or destroy it.
  std::vector<std::weak_ptr<Listener>> called;
  for (const std::string& id : events.changed) {
    if (const auto found = listeners_->find(id); found != listeners_->end()) {
      called.insert(called.end(), found->second.begin(), found->second.end());
    }
  }
  if (events.queued && queued_ && *queued_) {
    called.emplace_back(queued_);
  }
  for (const std::weak_ptr<Listener>& weak : called) {
    if (const auto listener = weak.lock()) {
      (*listener)();
    }
  }
}

}  // namespace store
