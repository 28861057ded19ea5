#pragma once

#include <fcntl.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "job/store.h"
#include "sandbox/spec.h"

namespace boost::asio {
class io_context;
}

// What stands on both sides of an executor in its tests. All of it answers on the loop.
namespace executor {

// A store of scripted answers: jobs are handed out in order, outcomes are remembered.
class FakeStore : public job::Store {
 public:
  explicit FakeStore(boost::asio::io_context& loop) : loop_(loop) {}

  void Submit(job::Job job, job::Durability, Callback<void> done) override {
    Queue(std::move(job));
    Answer(std::move(done), {});
  }

  void Sync(Callback<void> done) override { Answer(std::move(done), {}); }

  void Queue(job::Job job) {
    queue_.push_back(std::move(job));
    if (listener_) {
      listener_();
    }
  }

  void Get(std::string, Callback<job::Job>) override {}

  void LeaseJobs(std::string, int max, Callback<std::vector<job::Lease>> done) override {
    ++lease_calls;
    most_asked = std::max(most_asked, max);
    std::vector<job::Lease> leases;
    while (!queue_.empty() && static_cast<int>(leases.size()) < max) {
      job::Lease lease{std::move(queue_.front()), ++last_token_};
      queue_.pop_front();
      lease.job.status = job::Status::kRunning;
      lease.job.started_at = lease.job.created_at + 7;
      lease.job.attempts++;
      leases.push_back(std::move(lease));
    }
    Post([done = std::move(done), leases = std::move(leases)] { done(leases); });
  }

  void Begin(std::string, job::Job job, Callback<job::Lease> done) override {
    job::Lease lease{std::move(job), ++last_token_};
    lease.job.status = job::Status::kRunning;
    lease.job.attempts++;
    Post([done = std::move(done), lease = std::move(lease)] { done(lease); });
  }

  void Renew(std::string, uint64_t, Callback<void> done) override {
    ++renewals;
    Answer(std::move(done), renew_answer);
  }

  void Finish(std::string id, uint64_t, job::Outcome outcome, Callback<void> done) override {
    ++finish_calls;
    if (!finish_errors.empty()) {
      const base::Error error = finish_errors.front();
      finish_errors.pop_front();
      Answer(std::move(done), error);
      return;
    }
    outcomes[id] = std::move(outcome);
    Answer(std::move(done), {});
  }

  void Release(std::string id, uint64_t, Callback<void> done) override {
    released.push_back(std::move(id));
    Answer(std::move(done), {});
  }

  void List(job::ListQuery, Callback<job::ListPage>) override {}

  void Cancel(std::string, Callback<job::Job>) override {}

  void OnCancel(std::function<void(std::string)> listener) override {
    cancel_listener = std::move(listener);
  }

  void Publish(std::string id, job::OutputChunk chunk) override {
    published[std::move(id)].push_back(std::move(chunk));
  }

  void PublishUsage(std::string id, uint64_t, sandbox::LiveUsage usage) override {
    usages[std::move(id)].push_back(usage);
  }

  WatchHandle WatchUsage(std::string, UsageListener) override { return nullptr; }

  WatchHandle WatchOutput(std::string, job::OutputPosition, OutputListener) override {
    return nullptr;
  }

  void Recover(Callback<int64_t>) override {}

  void Sweep(Callback<void>) override {}

  void Stats(Callback<job::StoreStats>) override {}

  WatchHandle Watch(std::string, Watched, std::function<void()>) override { return nullptr; }

  void OnQueued(std::function<void()> listener) override { listener_ = std::move(listener); }

  std::string_view name() const override { return "fake"; }

  int lease_calls = 0;
  int most_asked = 0;
  int renewals = 0;
  int finish_calls = 0;
  base::Result<void> renew_answer;
  std::deque<base::Error> finish_errors;
  std::map<std::string, job::Outcome> outcomes;
  std::vector<std::string> released;
  std::function<void(std::string)> cancel_listener;
  std::map<std::string, std::vector<job::OutputChunk>> published;
  std::map<std::string, std::vector<sandbox::LiveUsage>> usages;

 private:
  void Answer(Callback<void> done, base::Result<void> result) {
    Post([done = std::move(done), result = std::move(result)] { done(result); });
  }

  void Post(std::function<void()> f) const;

  boost::asio::io_context& loop_;
  std::deque<job::Job> queue_;
  std::function<void()> listener_;
  uint64_t last_token_ = 0;
};

// Programs end when the test says so, or are cancelled.
class FakeBackend : public sandbox::Backend, public sandbox::LiveInput {
 public:
  explicit FakeBackend(boost::asio::io_context& loop) : loop_(loop) {}

  RunId Start(sandbox::Spec spec, OnOutput output, OnDone done) override {
    specs.push_back(std::move(spec));
    outputs.push_back(std::move(output));
    running[specs.size()] = std::move(done);
    return specs.size();
  }

  void Cancel(RunId id) override {
    cancelled.push_back(id);
    sandbox::RunResult result;
    result.cause = sandbox::Cause::kCancelled;
    if (!deaf) {
      End(id, std::move(result));
    }
  }

  void WatchUsage(RunId id, OnUsage on_usage) override { watched[id] = std::move(on_usage); }

  void End(RunId id, sandbox::RunResult result) {
    const auto it = running.find(id);
    if (it == running.end()) {
      return;
    }
    Post([done = std::move(it->second), result = std::move(result)] { done(result); });
    running.erase(it);
    watched.erase(id);
  }

  std::string_view isolation() const override { return "fake"; }

  LiveInput& live_input() override { return *this; }

  void Write(uint64_t run, std::string data, std::function<void()> done) override {
    written[run] += data;
    Post(std::move(done));
  }

  void CloseInput(uint64_t run) override { written[run] += "<end>"; }

  void Resize(uint64_t run, sandbox::TerminalSize size) override {
    written[run] += "<" + std::to_string(size.rows) + "x" + std::to_string(size.cols) + ">";
  }

  void Signal(uint64_t run, int signal) override {
    written[run] += "<" + std::to_string(signal) + ">";
  }

  std::map<RunId, OnUsage> watched;
  std::map<uint64_t, std::string> written;
  std::vector<sandbox::Spec> specs;  // the run with id n is at n - 1
  std::vector<OnOutput> outputs;     // likewise
  std::map<RunId, OnDone> running;
  std::vector<RunId> cancelled;
  bool deaf = false;  // a cancelled program does not end

 private:
  void Post(std::function<void()> f) const;

  boost::asio::io_context& loop_;
};

// How runs end.

inline sandbox::RunResult Exit(int code, std::string output = "") {
  sandbox::RunResult result;
  result.cause = sandbox::Cause::kExited;
  result.exit_code = code;
  result.stdout_data = std::move(output);
  result.start_time = 11;
  return result;
}

inline sandbox::RunResult Compiled() {
  sandbox::RunResult result = Exit(0);
  result.collected.push_back(
      {"prog", 1, std::make_shared<base::UniqueFd>(::fcntl(2, F_DUPFD_CLOEXEC, 0)), ""});
  return result;
}

inline sandbox::RunResult Broken() {
  sandbox::RunResult result;
  result.message = "mount: EPERM";
  return result;
}

}  // namespace executor
