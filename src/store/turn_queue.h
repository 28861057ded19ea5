#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace store {

// Where a job stands among its tenant's queued jobs.
struct Place {
  bool returned = false;  // given back, or its worker was lost: before all others
  int priority = 0;       // higher first
  uint64_t number = 0;    // lower, that is older, first; unique

  bool operator<(const Place& other) const {
    return std::make_tuple(!returned, -priority, number) <
           std::make_tuple(!other.returned, -other.priority, other.number);
  }
};

// A queue in which tenants take turns. Every call is O(log n). A tenant's first job puts it at the
// end of the round, and so does each turn that it has had.
template <typename T>
class TurnQueue {
 public:
  void Push(const std::string& tenant, Place place, T value) {
    auto& [turn, jobs] = tenants_[tenant];
    if (jobs.empty()) {
      turn = ++last_turn_;
      round_.emplace(turn, tenant);
    }
    jobs.emplace(place, std::move(value));
    ++size_;
  }

  // Takes the next one. REQUIRES: not empty.
  T Pop() {
    const auto first = round_.begin();
    const std::string tenant = std::move(first->second);
    round_.erase(first);
    const auto entry = tenants_.find(tenant);
    auto& [turn, jobs] = entry->second;
    T value = std::move(jobs.begin()->second);
    jobs.erase(jobs.begin());
    --size_;
    if (jobs.empty()) {
      tenants_.erase(entry);
    } else {
      turn = ++last_turn_;
      round_.emplace(turn, tenant);
    }
    return value;
  }

  // REQUIRES: it is there.
  void Remove(const std::string& tenant, Place place) {
    const auto entry = tenants_.find(tenant);
    auto& [turn, jobs] = entry->second;
    jobs.erase(place);
    --size_;
    if (jobs.empty()) {
      round_.erase(turn);
      tenants_.erase(entry);
    }
  }

  bool empty() const { return size_ == 0; }

  size_t size() const { return size_; }

 private:
  struct Tenant {
    uint64_t turn = 0;
    std::map<Place, T> jobs;
  };

  std::unordered_map<std::string, Tenant> tenants_;
  std::map<uint64_t, std::string> round_;  // by turn; one entry for each tenant
  uint64_t last_turn_ = 0;
  size_t size_ = 0;
};

}  // namespace store
