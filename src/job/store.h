#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "job/job.h"

// Queue and store in one interface, because creating a job and making it visible to workers must be
// one atomic step. Implementations: store/memory, store/sqlite.
namespace job {

// A job that a worker holds. Only the holder of the current token may renew, finish or release it.
struct Lease {
  Job job;  // status kRunning, started_at set, attempts counted
  uint64_t token = 0;
};

struct Outcome {
  Status status = Status::kCompleted;  // kCompleted with a result, or kFailed with an error
  std::optional<Result> result;
  std::string error;
  base::Nanos finished_at = 0;
};

struct StoreStats {
  int64_t queued = 0;
  int64_t running = 0;
};

struct StoreOptions {
  int64_t max_queued = 10'000;        // Submit beyond it is kExhausted
  base::Nanos job_ttl = base::kHour;  // finished jobs are removed after it
  int max_attempts = 3;               // leases of one job; the next expiry makes it kFailed
  base::Nanos lease_time = 30 * base::kSecond;
};

// All methods are called on the event loop's thread, return at once, and answer through their
// callback on that thread, exactly once and never from within the call. Errors: kUnavailable when
// the storage fails, others as named below. Callbacks still pending when the store is destroyed are
// dropped.
class Store {
 public:
  template <typename T>
  using Callback = std::function<void(base::Result<T>)>;

  virtual ~Store() = default;

  // Stores a new queued job; answered only when it is durable. kExhausted: the queue is full.
  virtual void Submit(Job job, Callback<void> done) = 0;

  // kNotFound: never existed or expired. For the public GET; includes the result when there is one.
  virtual void Get(std::string id, Callback<Job> done) = 0;

  // Takes up to `max` of the oldest queued jobs (and of those whose lease has expired) for
  // lease_time. An empty answer means that nothing is queued; OnQueued tells when to ask again.
  virtual void LeaseJobs(std::string worker, int max, Callback<std::vector<Lease>> done) = 0;

  // Extends a lease by lease_time from now. kConflict: the token is no longer current.
  virtual void Renew(std::string id, uint64_t token, Callback<void> done) = 0;

  // Stores the outcome, durable when answered. kConflict: the token is no longer current.
  virtual void Finish(std::string id, uint64_t token, Outcome outcome, Callback<void> done) = 0;

  // Gives a job back to the head of the queue without counting the attempt (graceful shutdown).
  virtual void Release(std::string id, uint64_t token, Callback<void> done) = 0;

  // Moves every running job back to the queue: called once by a process that is alone on this
  // store, before its first lease. A job that has used up max_attempts becomes kFailed instead.
  // Answers the number.
  virtual void Recover(Callback<int64_t> done) = 0;

  // Handles expired leases and removes finished jobs past their TTL; call it every second or so.
  virtual void Sweep(Callback<void> done) = 0;

  virtual void Stats(Callback<StoreStats> done) = 0;

  // Calls `changed` (with the job's id) after each change of status of that job, until the returned
  // handle is destroyed. Bounded only by the caller.
  using WatchHandle = std::shared_ptr<void>;
  virtual WatchHandle Watch(std::string id, std::function<void()> changed) = 0;

  // Called whenever a job may have become available to LeaseJobs. One listener.
  virtual void OnQueued(std::function<void()> listener) = 0;

  virtual std::string_view name() const = 0;  // "memory", "sqlite"
};

}  // namespace job
