#include "store/watch_list.h"

#include <utility>

namespace store {

job::Store::WatchHandle WatchList::Add(std::string id, std::function<void()> changed) {
  return listeners_.Add(std::move(id), std::move(changed));
}

void WatchList::OnQueued(std::function<void()> listener) {
  queued_ = std::make_shared<Listener>(std::move(listener));
}

void WatchList::OnCancel(std::function<void(std::string id)> listener) {
  cancel_ = std::make_shared<std::function<void(std::string)>>(std::move(listener));
}

void WatchList::Notify(const Events& events) {
  // Collected first: a listener may change the list, or destroy it.
  std::vector<std::weak_ptr<Listener>> called;
  for (const std::string& id : events.changed) {
    const auto of_job = listeners_.Of(id);
    called.insert(called.end(), of_job.begin(), of_job.end());
  }
  if (events.queued && queued_ && *queued_) {
    called.emplace_back(queued_);
  }
  const std::weak_ptr<std::function<void(std::string)>> cancel = cancel_;
  for (const std::weak_ptr<Listener>& weak : called) {
    if (const auto listener = weak.lock()) {
      (*listener)();
    }
  }
  for (const std::string& id : events.cancel) {
    if (const auto listener = cancel.lock(); listener && *listener) {
      (*listener)(id);
    }
  }
}

}  // namespace store
