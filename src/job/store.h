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
#include "sandbox/spec.h"

// Queue and store in one interface, because creating a job and making it visible to workers must be
// one atomic step. Implementations: store/memory, store/sqlite.
namespace job {

// A job that a worker holds. Only the holder of the current token may renew, finish or release it.
struct Lease {
  Job job;             // status kRunning, started_at set, attempts counted, run = token
  uint64_t token = 0;  // greater than that of every earlier lease of the same job
};

struct Outcome {
  Status status = Status::kCompleted;  // with a result; or kFailed with an error; or kCancelled
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

// When a submitted job is safe from a crash of the machine. From one of the process it is safe once
// Submit has answered, in stores that outlive the process.
enum class Durability {
  kAtOnce,  // when Submit answers
  kLater,   // when Sync, its outcome, or whatever is made durable after it is answered
};

// A piece of what a program has written.
struct OutputChunk {
  // The token of the lease under which the program runs: Job::run. A job that runs again begins
  // both streams anew, under a greater number. (Attempts do not tell: a job that was released keeps
  // its number.)
  uint64_t run = 0;
  sandbox::Stream stream = sandbox::Stream::kStdout;
  int64_t offset = 0;  // of the first byte, in this stream of this run
  std::string data;    // not empty
};

// What a watcher of the output has already: the bytes of that run before these offsets.
struct OutputPosition {
  uint64_t run = 0;  // 0: nothing
  int64_t stdout_offset = 0;
  int64_t stderr_offset = 0;
};

struct ListQuery {
  std::string tenant;            // empty: of all
  std::string language;          // canonical id; empty: all
  std::optional<Status> status;  // nullopt: all
  base::Nanos since = 0;         // created at this time or later
  std::string cursor;            // next_cursor of the page before; empty: from the newest on
  int limit = 100;               // 1 to kMaxListLimit
};

constexpr int kMaxListLimit = 1000;

struct ListPage {
  // Newest first, by created_at, then id. Metadata: no result; of the submission language and
  // priority only.
  std::vector<Job> jobs;
  // Empty: there is no more. A page may be short, even empty, and still not the last: a call looks
  // at a bounded number of records, however few of them the query wants.
  std::string next_cursor;
};

class DeliveryStore;
class KeyStore;

// All methods are called on the event loop's thread, return at once, and answer through their
// callback on that thread, exactly once and never from within the call. Errors: kUnavailable when
// the storage fails or is away (trying again later makes sense), others as named below. A call sees
// what was answered before it was made; of calls that are under way together no order is promised.
// Callbacks still pending when the store is destroyed are dropped.
class Store {
 public:
  template <typename T>
  using Callback = std::function<void(base::Result<T>)>;

  virtual ~Store() = default;

  // Stores a new queued job. kLater is for whoever gives the job's id to nobody yet: a client that
  // waits for the outcome costs one durable write instead of three. kExhausted: the queue is full,
  // or max_queued jobs of its tenant are queued. kConflict: there is a job with this id.
  virtual void Submit(Job job, Durability durability, Callback<void> done) = 0;

  // Answers when every job that was submitted before is durable.
  virtual void Sync(Callback<void> done) = 0;

  // kNotFound: never existed or expired. For the public GET; includes the result when there is one.
  virtual void Get(std::string id, Callback<Job> done) = 0;

  // kInvalidArgument: the cursor is none, or the limit is out of range.
  virtual void List(ListQuery query, Callback<ListPage> done) = 0;

  // Takes up to `max` queued jobs (and of those whose lease has expired) for lease_time. Tenants
  // that have queued jobs take turns, one job a turn; a tenant that gets its first queued job waits
  // for one turn of each other at most. A tenant of which max_running jobs run, as its next job has
  // it, has no turn until one of them ends. Among a tenant's own: first those that were given back
  // or lost their worker, then by priority, then the oldest. An empty answer means that nothing is
  // queued; OnQueued tells when to ask again.
  virtual void LeaseJobs(std::string worker, int max, Callback<std::vector<Lease>> done) = 0;

  // Stores a new job as running, leased to `worker` for lease_time: Submit and LeaseJobs in one
  // step, past the queue and its bound, for a job that nobody else could run. Durable when
  // answered. Should the lease be lost, the job is queued like any other. kConflict: as for Submit.
  virtual void Begin(std::string worker, Job job, Callback<Lease> done) = 0;

  // Extends a lease by lease_time from now. kConflict: the token is no longer current.
  virtual void Renew(std::string id, uint64_t token, Callback<void> done) = 0;

  // Stores the outcome, durable when answered. kConflict: the token is no longer current. An
  // outcome that comes after Cancel counts, whatever it is.
  virtual void Finish(std::string id, uint64_t token, Outcome outcome, Callback<void> done) = 0;

  // Gives a job back to the head of its tenant's queue without counting the attempt (graceful
  // shutdown). A job that is to be cancelled becomes kCancelled instead.
  virtual void Release(std::string id, uint64_t token, Callback<void> done) = 0;

  // Answers the job as it is afterwards, durably. A queued job becomes kCancelled at once and never
  // starts. A running one is marked: the worker that holds it is told (OnCancel) and finishes it;
  // when that worker is lost, it becomes kCancelled instead of being queued again. A final one is
  // left as it is. kNotFound: as for Get.
  virtual void Cancel(std::string id, Callback<Job> done) = 0;

  // Called with the id of a job that this process has leased when it is to be killed; perhaps more
  // than once, perhaps when it has just ended. One listener.
  virtual void OnCancel(std::function<void(std::string id)> listener) = 0;

  // Moves every running job back to the queue: called once by a process that is alone on this
  // store, before its first lease. A job that has used up max_attempts becomes kFailed instead, one
  // that is to be cancelled kCancelled. Answers the number.
  virtual void Recover(Callback<int64_t> done) = 0;

  // Handles expired leases and removes finished jobs past their TTL; call it every second or so.
  virtual void Sweep(Callback<void> done) = 0;

  // Does not wait for what other calls write. kUnavailable: what was written last failed, or takes
  // longer than it ever should.
  virtual void Stats(Callback<StoreStats> done) = 0;

  enum class Watched {
    kChanges,  // each change of the status
    kEnd,      // a change to a final one; perhaps others, too
  };

  // Calls `changed` after what is watched of that job, until the returned handle is destroyed. The
  // job need not exist yet: whoever watches before Submit misses nothing. Bounded only by the
  // caller.
  using WatchHandle = std::shared_ptr<void>;
  virtual WatchHandle Watch(std::string id, Watched what, std::function<void()> changed) = 0;

  // Hands on what a leased job's program has written, in order: the chunks of a stream of a run
  // follow each other without gap. Best effort, never durable: the outcome has it all. Ignored when
  // chunk.run is not the current lease. Kept for watchers to come until the lease ends, and
  // kOutputRetention longer; so memory is bounded by the output that one job may write and the jobs
  // that run.
  virtual void Publish(std::string id, OutputChunk chunk) = 0;

  // Calls `listener` with what is known of the job's output beyond `from` and then with what comes,
  // until the returned handle is destroyed (which the listener may do); never from within this call
  // or Publish. The job may run on another node, later, or never. Within a run the chunks of a
  // stream follow each other without gap and duplicate; should the store have lost some, the next
  // offset tells. Runs do not go back: after a chunk of a greater run none of a smaller one comes.
  // What was published before an end of the lease that Watch tells of is told before that.
  using OutputListener = std::function<void(const OutputChunk&)>;
  virtual WatchHandle WatchOutput(std::string id, OutputPosition from, OutputListener listener) = 0;

  // Hands on what a leased job's program has used so far. Best effort, never durable, and forgotten
  // with the lease; until then Get answers the latest. Ignored when `run` is not the current lease.
  virtual void PublishUsage(std::string id, uint64_t run, sandbox::LiveUsage usage) = 0;

  // Calls `listener` with each usage that is published from now on, until the returned handle is
  // destroyed (which the listener may do); never from within PublishUsage. The job may run on
  // another node. Some may be missed, none is kept for a listener.
  using UsageListener = std::function<void(uint64_t run, const sandbox::LiveUsage&)>;
  virtual WatchHandle WatchUsage(std::string id, UsageListener listener) = 0;

  // Called whenever a job may have become available to LeaseJobs, perhaps from within Submit. One
  // listener.
  virtual void OnQueued(std::function<void()> listener) = 0;

  virtual std::string_view name() const = 0;  // "memory", "sqlite"

  // Parts of this store; null: it keeps nothing of keys, or of webhooks.
  virtual KeyStore* keys() { return nullptr; }

  virtual DeliveryStore* deliveries() { return nullptr; }
};

// How long the output of a run can still be watched after its lease has ended.
constexpr base::Nanos kOutputRetention = 5 * base::kSecond;

}  // namespace job
