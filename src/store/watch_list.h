#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "job/store.h"

namespace store {

// What a change of the store means to those who wait for it.
struct Events {
  std::vector<std::string> changed;  // ids of jobs whose status changed
  bool queued = false;               // something may have become available to LeaseJobs
};

// Who waits for which job, within this process. All methods are called on the event loop's thread;
// listeners may add and remove listeners. Handles may outlive the list.
class WatchList {
 public:
  job::Store::WatchHandle Add(std::string id, std::function<void()> changed);
  void OnQueued(std::function<void()> listener);

  // Calls the listeners that the events concern. A listener may destroy this list.
  void Notify(const Events& events);

 private:
  using Listener = std::function<void()>;
  using Listeners = std::unordered_map<std::string, std::list<std::weak_ptr<Listener>>>;

  std::shared_ptr<Listeners> listeners_ = std::make_shared<Listeners>();
  std::shared_ptr<Listener> queued_;
};

}  // namespace store
