#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "job/store.h"

namespace boost::asio {
class io_context;
}

namespace http {

// Keeps jobs in a map on the loop's thread; `error` makes every call fail.
class FakeStore final : public job::Store {
 public:
  explicit FakeStore(boost::asio::io_context& loop) : loop_(loop) {}

  void Submit(job::Job job, job::Durability durability, Callback<void> done) override;

  void Sync(Callback<void> done) override;

  void Get(std::string id, Callback<job::Job> done) override;

  void Stats(Callback<job::StoreStats> done) override;

  WatchHandle Watch(std::string id, Watched, std::function<void()> changed) override {
    auto handle = std::make_shared<std::function<void()>>(std::move(changed));
    watches.emplace(std::move(id), handle);
    if (const auto once = std::exchange(on_watch, nullptr)) {
      once();
    }
    return handle;
  }

  void SetStatus(const std::string& id, job::Status status) {
    jobs[id].status = status;
    if (status == job::Status::kCompleted) {
      jobs[id].result = job::Result{};
      jobs[id].result->stdout_data = "done";
    }
    const auto [begin, end] = watches.equal_range(id);
    for (auto it = begin; it != end; ++it) {
      if (const auto changed = it->second.lock()) {
        (*changed)();
      }
    }
  }

  size_t live_watches() const {
    size_t n = 0;
    for (const auto& [id, watch] : watches) {
      n += watch.expired() ? 0U : 1U;
    }
    return n;
  }

  void LeaseJobs(std::string, int, Callback<std::vector<job::Lease>>) override {}

  void Begin(std::string, job::Job, Callback<job::Lease>) override {}

  void Renew(std::string, uint64_t, Callback<void>) override {}

  void Finish(std::string, uint64_t, job::Outcome, Callback<void>) override {}

  void Release(std::string, uint64_t, Callback<void>) override {}

  void List(job::ListQuery, Callback<job::ListPage>) override {}

  void Cancel(std::string, Callback<job::Job>) override {}

  void OnCancel(std::function<void(std::string)>) override {}

  void Publish(std::string, job::OutputChunk) override {}

  void PublishUsage(std::string, uint64_t, sandbox::LiveUsage) override {}

  WatchHandle WatchUsage(std::string, UsageListener) override { return nullptr; }

  WatchHandle WatchOutput(std::string, job::OutputPosition, OutputListener) override {
    return nullptr;
  }

  void Recover(Callback<int64_t>) override {}

  void Sweep(Callback<void>) override {}

  void OnQueued(std::function<void()>) override {}

  std::string_view name() const override { return "fake"; }

  std::map<std::string, job::Job> jobs;
  std::multimap<std::string, std::weak_ptr<std::function<void()>>> watches;
  std::optional<base::Error> error;
  std::optional<base::Error> sync_error;
  bool durable = true;  // all that was submitted
  std::function<void()> on_watch;

 private:
  boost::asio::io_context& loop_;
};

}  // namespace http
