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
// end of the round, and so does each turn that it has had. Tenants that are held have no turns.
template <typename T>
class TurnQueue {
 public:
  void Push(const std::string& tenant, Place place, T value) {
    Tenant& entry = tenants_[tenant];
    if (entry.jobs.empty()) {
      Enter(tenant, &entry);
    }
    entry.jobs.emplace(place, std::move(value));
    ++size_;
  }

  // Whose turn it is, and what is next then. Null: nobody has a turn.
  const T* Next() const {
    return round_.empty() ? nullptr : &tenants_.at(round_.begin()->second).jobs.begin()->second;
  }

  // The tenant has no turns until Release; nothing when it has none anyway.
  void Hold(const std::string& tenant) {
    if (const auto entry = tenants_.find(tenant);
        entry != tenants_.end() && entry->second.turn > 0) {
      round_.erase(std::exchange(entry->second.turn, 0));
    }
  }

  // True when the tenant was held: it is at the end of the round now.
  bool Release(const std::string& tenant) {
    const auto entry = tenants_.find(tenant);
    const bool held = entry != tenants_.end() && entry->second.turn == 0;
    if (held) {
      Enter(tenant, &entry->second);
    }
    return held;
  }

  // Takes what is next. REQUIRES: Next is not null.
  T Pop() {
    const auto first = round_.begin();
    const std::string tenant = std::move(first->second);
    round_.erase(first);
    const auto entry = tenants_.find(tenant);
    auto& jobs = entry->second.jobs;
    T value = std::move(jobs.begin()->second);
    jobs.erase(jobs.begin());
    --size_;
    if (jobs.empty()) {
      tenants_.erase(entry);
    } else {
      Enter(tenant, &entry->second);
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

  size_t size() const { return size_; }

  // Of one tenant.
  size_t size(const std::string& tenant) const {
    const auto entry = tenants_.find(tenant);
    return entry == tenants_.end() ? 0 : entry->second.jobs.size();
  }

 private:
  struct Tenant {
    uint64_t turn = 0;  // 0: held
    std::map<Place, T> jobs;
  };

  void Enter(const std::string& tenant, Tenant* entry) {
    entry->turn = ++last_turn_;
    round_.emplace(entry->turn, tenant);
  }

  std::unordered_map<std::string, Tenant> tenants_;
  std::map<uint64_t, std::string> round_;  // by turn; one entry for each tenant that is not held
  uint64_t last_turn_ = 0;
  size_t size_ = 0;
};

}  // namespace store
