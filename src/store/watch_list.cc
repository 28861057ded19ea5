#include "store/watch_list.h"

#include <utility>

namespace store {

using Watched = job::Store::Watched;

job::Store::WatchHandle WatchList::Add(std::string id, Watched what,
                                       std::function<void()> changed) {
  return listeners_.Add(std::move(id), {what, std::move(changed)});
}

void WatchList::OnQueued(std::function<void()> listener) {
  queued_ = std::make_shared<Listener>(Listener{Watched::kChanges, std::move(listener)});
}

void WatchList::OnCancel(std::function<void(std::string id)> listener) {
  cancel_ = std::make_shared<std::function<void(std::string)>>(std::move(listener));
}

void WatchList::Notify(const Events& events) {
  // Collected first: a listener may change the list, or destroy it.
  std::vector<std::weak_ptr<Listener>> called;
  for (const Events::Change& change : events.changed) {
    for (const std::weak_ptr<Listener>& weak : listeners_.Of(change.id)) {
      if (const auto listener = weak.lock();
          listener && (listener->what == Watched::kChanges || change.may_be_final)) {
        called.push_back(weak);
      }
    }
  }
  if (events.queued && queued_ && queued_->call) {
    called.emplace_back(queued_);
  }
  const std::weak_ptr<std::function<void(std::string)>> cancel = cancel_;
  for (const std::weak_ptr<Listener>& weak : called) {
    if (const auto listener = weak.lock()) {
      listener->call();
    }
  }
  for (const std::string& id : events.cancel) {
    if (const auto listener = cancel.lock(); listener && *listener) {
      (*listener)(id);
    }
  }
}

}  // namespace store
