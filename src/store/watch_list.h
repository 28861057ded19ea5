#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/registry.h"
#include "job/store.h"

namespace store {

// What a change of the store means to those who wait for it.
struct Events {
  struct Change {
    std::string id;
    bool may_be_final = true;  // whether the new status may be one that stays
  };

  std::vector<Change> changed;      // jobs whose status changed
  std::vector<std::string> cancel;  // ids of running jobs that are to be killed
  // Leases that began, with their token, and, with 0, those that ended; in order.
  std::vector<std::pair<std::string, uint64_t>> leases;
  bool queued = false;  // something may have become available to LeaseJobs
};

// Who waits for which job, within this process. All methods are called on the event loop's thread;
// listeners may add and remove listeners. Handles may outlive the list.
class WatchList {
 public:
  job::Store::WatchHandle Add(std::string id, job::Store::Watched what,
                              std::function<void()> changed);
  void OnQueued(std::function<void()> listener);
  void OnCancel(std::function<void(std::string id)> listener);

  // The jobs that someone waits for.
  std::vector<std::string> Ids() const { return listeners_.Ids(); }

  // Calls the listeners that the events concern. A listener may destroy this list.
  void Notify(const Events& events);

 private:
  struct Listener {
    job::Store::Watched what = job::Store::Watched::kChanges;
    std::function<void()> call;
  };

  base::Registry<Listener> listeners_;
  std::shared_ptr<Listener> queued_;
  std::shared_ptr<std::function<void(std::string)>> cancel_;
};

}  // namespace store
