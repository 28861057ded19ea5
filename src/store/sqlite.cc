#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

#include "base/time.h"
#include "base/unique_fd.h"
#include "store/batch_thread.h"
#include "store/local_keys.h"
#include "store/output_log.h"
#include "store/sqlite_connection.h"
#include "store/sqlite_jobs.h"
#include "store/sqlite_reads.h"
#include "store/sqlite_schema.h"
#include "store/stores.h"
#include "store/watch_list.h"

namespace store {
namespace {

using base::Result;

// Requests of clients that wait for a thread, each of the two; more are refused. Those of workers
// are bounded by the number of jobs that run, and are never refused, for they end leases.
constexpr size_t kMaxWaiting = 4096;

// How long the thread that writes may be at one batch until the store counts as away.
constexpr base::Nanos kPatience = 10 * base::kSecond;

// When a write is to be durable: always when it is answered, with the next that is, or as the first
// if it leases a job that is.
enum class Synced { kAlways, kNever, kIfDurableQueued };

// Work for a thread that has a Source: SqliteJobs or SqliteReads.
template <typename Source>
class Task {
 public:
  virtual ~Task() = default;

  // On the thread. False: its writes are to be undone.
  virtual bool Work(Source& source) = 0;

  // After Work or instead of it: the transaction failed.
  virtual void Fail(const base::Error& error) = 0;

  // On the loop, once. May destroy the store.
  virtual void Answer() = 0;
};

template <typename Source, typename T, typename F>
class TaskOf final : public Task<Source> {
 public:
  TaskOf(F work, job::Store::Callback<T> done) : work_(std::move(work)), done_(std::move(done)) {}

  bool Work(Source& source) override {
    try {
      result_ = work_(source);
    } catch (const std::exception& e) {
      result_ = base::Internal(std::string("store: ") + e.what());
    }
    return result_.has_value();
  }

  void Fail(const base::Error& error) override { result_ = error; }

  void Answer() override { done_(std::move(result_)); }

 private:
  F work_;
  job::Store::Callback<T> done_;
  Result<T> result_ = base::Internal("store: not done");
};

struct Write {
  Synced synced;
  std::unique_ptr<Task<SqliteJobs>> task;
};

using Writes = std::vector<Write>;
using Read = std::unique_ptr<Task<SqliteReads>>;

// What a batch of writes has come to.
struct Written {
  Events events;
  job::StoreStats stats;
  std::optional<base::Error> failure;  // of the whole batch
};

base::Error Unavailable(base::Error error) {
  error.kind = base::ErrorKind::kUnavailable;
  return error;
}

bool IsDurable(const Write& write, const SqliteJobs& jobs) {
  return write.synced == Synced::kAlways ||
         (write.synced == Synced::kIfDurableQueued && jobs.HasDurableQueued());
}

// Does one task within the transaction; what it wrote is undone when it answers an error.
Result<void> RunOne(SqliteJobs& jobs, const Write& write) {
  Result<void> marked = jobs.SetMark();
  if (marked) {
    marked = write.task->Work(jobs) ? jobs.KeepMark() : jobs.RollbackToMark();
  }
  return marked;
}

// Does the writes in one transaction. The answers are right when this returns.
Result<Events> RunBatch(SqliteJobs& jobs, const Writes& writes) {
  const bool durable = std::any_of(writes.begin(), writes.end(),
                                   [&](const Write& write) { return IsDurable(write, jobs); });
  Result<void> done = jobs.Begin(durable);
  if (done && writes.size() == 1) {  // its mark is the transaction
    if (!writes.front().task->Work(jobs)) {
      jobs.Rollback();
      return Events();
    }
  } else {
    for (auto write = writes.begin(); done && write != writes.end(); ++write) {
      done = RunOne(jobs, *write);
    }
  }
  if (!done) {
    return done.error();
  }
  return jobs.Commit();
}

Written RunWrites(SqliteJobs& jobs, const Writes& writes) {
  Written written;
  if (Result<Events> events = RunBatch(jobs, writes)) {
    written.events = std::move(*events);
  } else {
    jobs.Rollback();
    written.failure = Unavailable(events.error());
    for (const Write& write : writes) {
      write.task->Fail(*written.failure);
    }
  }
  written.stats = jobs.Stats();
  return written;
}

// A connection of its own for what is only read: a poll waits for no commit.
struct Reader {
  std::unique_ptr<Connection> db;
  SqliteReads reads;
};

class SqliteStore final : public job::Store, public job::KeyStore, public job::DeliveryStore {
 public:
  SqliteStore(base::UniqueFd lock, std::unique_ptr<SqliteJobs> jobs, std::unique_ptr<Reader> reader,
              Post post, Clock clock)
      : lock_(std::move(lock)),
        jobs_(std::move(jobs)),
        reader_(std::move(reader)),
        post_(std::move(post)),
        output_(post_, clock ? clock : base::MonotonicNow),
        rates_(post_, clock ? std::move(clock) : base::MonotonicNow),
        stats_(jobs_->Stats()),
        writing_("sqlite-write", [this](Writes writes) { HandleWrites(std::move(writes)); }),
        reading_("sqlite-read",
                 [this](std::vector<Read> reads) { HandleReads(std::move(reads)); }) {}

  // Finishes what is waiting, so that a result handed over just before is not lost; drops answers.
  ~SqliteStore() override = default;

  void Submit(job::Job job, job::Durability durability, Callback<void> done) override {
    if (IsFull()) {
      return Refuse<void>({base::ErrorKind::kExhausted, "the store is busy", 0}, std::move(done));
    }
    Enqueue<void>(
        durability == job::Durability::kAtOnce ? Synced::kAlways : Synced::kNever,
        [job = std::move(job), durability](SqliteJobs& jobs) {
          return jobs.Submit(job, durability);
        },
        std::move(done));
    // Whoever asks for it now is answered after this one, and without waiting for the answer.
    Events events;
    events.queued = true;
    watchers_.Notify(events);
  }

  void Sync(Callback<void> done) override {
    Enqueue<void>(
        Synced::kAlways, [](SqliteJobs& jobs) { return jobs.Sync(); }, std::move(done));
  }

  void Get(std::string id, Callback<job::Job> done) override {
    EnqueueRead<job::Job>([id = std::move(id)](SqliteReads& reads) { return reads.Get(id); },
                          [this, done = std::move(done)](Result<job::Job> job) {
                            if (job) {
                              output_.AddUsage(&*job);
                            }
                            done(std::move(job));
                          });
  }

  void List(job::ListQuery query, Callback<job::ListPage> done) override {
    EnqueueRead<job::ListPage>(
        [query = std::move(query)](SqliteReads& reads) { return reads.List(query); },
        std::move(done));
  }

  void LeaseJobs(std::string worker, int max, Callback<std::vector<job::Lease>> done) override {
    Enqueue<std::vector<job::Lease>>(
        Synced::kIfDurableQueued,
        [worker = std::move(worker), max](SqliteJobs& jobs) { return jobs.LeaseJobs(worker, max); },
        std::move(done));
  }

  void Begin(std::string worker, job::Job job, Callback<job::Lease> done) override {
    EnqueueUnlessFull<job::Lease>(
        Synced::kAlways,
        [worker = std::move(worker), job = std::move(job)](SqliteJobs& jobs) {
          return jobs.BeginJob(worker, job);
        },
        std::move(done));
  }

  void Renew(std::string id, uint64_t token, Callback<void> done) override {
    Enqueue<void>(
        Synced::kNever,
        [id = std::move(id), token](SqliteJobs& jobs) { return jobs.Renew(id, token); },
        std::move(done));
  }

  void Finish(std::string id, uint64_t token, job::Outcome outcome, Callback<void> done) override {
    Enqueue<void>(
        Synced::kAlways,
        [id = std::move(id), token, outcome = std::move(outcome)](SqliteJobs& jobs) {
          return jobs.Finish(id, token, outcome);
        },
        std::move(done));
  }

  void Release(std::string id, uint64_t token, Callback<void> done) override {
    Enqueue<void>(
        Synced::kAlways,
        [id = std::move(id), token](SqliteJobs& jobs) { return jobs.Release(id, token); },
        std::move(done));
  }

  void Cancel(std::string id, Callback<job::Job> done) override {
    EnqueueUnlessFull<job::Job>(
        Synced::kAlways, [id = std::move(id)](SqliteJobs& jobs) { return jobs.Cancel(id); },
        std::move(done));
  }

  void OnCancel(std::function<void(std::string id)> listener) override {
    watchers_.OnCancel(std::move(listener));
  }

  void Recover(Callback<int64_t> done) override {
    Enqueue<int64_t>(
        Synced::kAlways, [](SqliteJobs& jobs) { return jobs.Recover(); }, std::move(done));
  }

  void Sweep(Callback<void> done) override {
    output_.Sweep();
    Enqueue<int64_t>(
        Synced::kAlways, [](SqliteJobs& jobs) { return jobs.Sweep(); },
        [this, done = std::move(done)](Result<int64_t> removed) mutable {
          if (!removed) {
            done(removed.error());
          } else if (*removed >= SqliteJobs::kSweepBatch) {
            Sweep(std::move(done));  // other requests come in between
          } else {
            done({});
          }
        });
  }

  void Stats(Callback<job::StoreStats> done) override {
    // As the last batch left it: a probe of health is not to wait behind large results.
    post_([this, alive = std::weak_ptr<bool>(alive_), done = std::move(done)] {
      if (!alive.expired()) {
        done(LastStats());
      }
    });
  }

  WatchHandle Watch(std::string id, Watched what, std::function<void()> changed) override {
    return watchers_.Add(std::move(id), what, std::move(changed));
  }

  void Publish(std::string id, job::OutputChunk chunk) override {
    output_.Publish(id, std::move(chunk));
  }

  WatchHandle WatchOutput(std::string id, job::OutputPosition from,
                          OutputListener listener) override {
    return output_.Watch(std::move(id), from, std::move(listener));
  }

  void PublishUsage(std::string id, uint64_t run, sandbox::LiveUsage usage) override {
    output_.PublishUsage(id, run, usage);
  }

  WatchHandle WatchUsage(std::string id, UsageListener listener) override {
    return output_.WatchUsage(std::move(id), std::move(listener));
  }

  void OnQueued(std::function<void()> listener) override {
    watchers_.OnQueued(std::move(listener));
  }

  std::string_view name() const override { return "sqlite"; }

  job::KeyStore* keys() override { return this; }

  job::DeliveryStore* deliveries() override { return this; }

  // Not durable: what a crash of the machine undoes is told again.
  void TakeDue(int max, base::Nanos hold, Callback<std::vector<job::Delivery>> done) override {
    EnqueueUnlessFull<std::vector<job::Delivery>>(
        Synced::kNever, [max, hold](SqliteJobs& jobs) { return jobs.TakeDue(max, hold); },
        std::move(done));
  }

  void Postpone(std::string id, int attempts, base::Nanos pause, Callback<void> done) override {
    EnqueueUnlessFull<void>(
        Synced::kNever,
        [id = std::move(id), attempts, pause](SqliteJobs& jobs) {
          return jobs.Postpone(id, attempts, pause);
        },
        std::move(done));
  }

  void Settle(std::string id, Callback<void> done) override {
    EnqueueUnlessFull<void>(
        Synced::kNever, [id = std::move(id)](SqliteJobs& jobs) { return jobs.Settle(id); },
        std::move(done));
  }

  void ReadKeys(std::optional<uint64_t> known, Callback<job::KeySet> done) override {
    EnqueueUnlessFull<job::KeySet>(
        Synced::kNever, [known](SqliteJobs& jobs) { return jobs.keys().Read(known); },
        std::move(done));
  }

  void AddKey(job::Key key, Callback<void> done) override {
    EnqueueUnlessFull<void>(
        Synced::kAlways, [key = std::move(key)](SqliteJobs& jobs) { return jobs.keys().Add(key); },
        std::move(done));
  }

  void RemoveKey(std::string id, Callback<void> done) override {
    EnqueueUnlessFull<void>(
        Synced::kAlways, [id = std::move(id)](SqliteJobs& jobs) { return jobs.keys().Remove(id); },
        std::move(done));
  }

  void Secret(Callback<std::string> done) override {
    EnqueueUnlessFull<std::string>(
        Synced::kAlways, [](SqliteJobs& jobs) { return jobs.keys().Secret(); }, std::move(done));
  }

  void TakeRate(std::string name, job::Rate rate, int64_t wanted,
                Callback<job::RateState> done) override {
    rates_.Take(name, rate, wanted, std::move(done));
  }

 private:
  bool IsFull() const { return writes_ >= kMaxWaiting; }

  template <typename T, typename F>
  void EnqueueUnlessFull(Synced synced, F work, Callback<T> done) {
    if (IsFull()) {
      return Refuse<T>(Busy(), std::move(done));
    }
    Enqueue<T>(synced, std::move(work), std::move(done));
  }

  template <typename T, typename F>
  void Enqueue(Synced synced, F work, Callback<T> done) {
    if (writes_++ == 0) {
      writing_since_ = base::MonotonicNow();
    }
    writing_.Add(
        {synced, std::make_unique<TaskOf<SqliteJobs, T, F>>(std::move(work), std::move(done))});
  }

  template <typename T, typename F>
  void EnqueueRead(F work, Callback<T> done) {
    if (reads_ >= kMaxWaiting) {
      return Refuse<T>(Busy(), std::move(done));
    }
    ++reads_;
    reading_.Add(std::make_unique<TaskOf<SqliteReads, T, F>>(std::move(work), std::move(done)));
  }

  static base::Error Busy() { return {base::ErrorKind::kUnavailable, "the store is busy", 0}; }

  Result<job::StoreStats> LastStats() const {
    if (failure_) {
      return *failure_;
    }
    if (writes_ > 0 && base::MonotonicNow() - writing_since_ > kPatience) {
      return base::Error{base::ErrorKind::kUnavailable, "the database does not answer", 0};
    }
    return stats_;
  }

  template <typename T>
  void Refuse(base::Error error, Callback<T> done) {
    post_([alive = std::weak_ptr<bool>(alive_), error = std::move(error), done = std::move(done)] {
      if (!alive.expired()) {
        done(error);
      }
    });
  }

  // On the thread that writes. While one transaction is being made durable, requests gather for the
  // next.
  void HandleWrites(Writes batch) {
    Written written = RunWrites(*jobs_, batch);
    // The tasks are moved, so that the callbacks are destroyed on the loop's thread.
    post_([this, alive = std::weak_ptr<bool>(alive_),
           writes = std::make_shared<Writes>(std::move(batch)), written = std::move(written)] {
      if (alive.expired()) {
        return;
      }
      writes_ -= writes->size();
      writing_since_ = base::MonotonicNow();
      stats_ = written.stats;
      failure_ = written.failure;
      output_.Deliver();
      if (!alive.expired()) {
        output_.Follow(written.events);  // before the answers: what they start may write at once
      }
      for (const Write& write : *writes) {
        if (alive.expired()) {
          return;
        }
        write.task->Answer();
      }
      if (!alive.expired()) {
        watchers_.Notify(written.events);
      }
    });
  }

  // On the thread that reads.
  void HandleReads(std::vector<Read> batch) {
    for (const Read& read : batch) {
      read->Work(reader_->reads);
    }
    post_([this, alive = std::weak_ptr<bool>(alive_),
           reads = std::make_shared<std::vector<Read>>(std::move(batch))] {
      if (alive.expired()) {
        return;
      }
      reads_ -= reads->size();
      // What this thread has posted may come after what others have: a watcher that came before the
      // call is told first.
      output_.Deliver();
      for (const Read& read : *reads) {
        if (alive.expired()) {
          return;
        }
        read->Answer();
      }
    });
  }

  const base::UniqueFd lock_;
  const std::unique_ptr<SqliteJobs> jobs_;  // of the thread that writes
  const std::unique_ptr<Reader> reader_;    // of the thread that reads; closed first
  const Post post_;
  WatchList watchers_;
  OutputLog output_;
  LocalRates rates_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  size_t writes_ = 0;              // not answered yet
  size_t reads_ = 0;               // not answered yet
  base::Nanos writing_since_ = 0;  // the last answer, or the first write after none was waiting
  job::StoreStats stats_;          // after the last batch of writes
  std::optional<base::Error> failure_;  // of that batch

  BatchThread<Write> writing_;  // last: they start when all else is there
  BatchThread<Read> reading_;
};

Result<base::UniqueFd> OpenPrivate(const std::string& path) {
  base::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) {
    return base::SysError("open " + path, errno);
  }
  if (::fchmod(fd.get(), 0600) != 0) {
    return base::SysError("chmod " + path, errno);
  }
  return fd;
}

}  // namespace

Result<base::UniqueFd> LockDatabase(const std::string& path) {
  Result<base::UniqueFd> lock = OpenPrivate(path + ".lock");
  if (!lock) {
    return lock;
  }
  if (::flock(lock->get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return base::Error{base::ErrorKind::kConflict,
                         path + ".lock: another process uses this database", EWOULDBLOCK};
    }
    return base::SysError("flock " + path + ".lock", errno);
  }
  // SQLite gives its other files the mode of this one. Closing is safe here: nothing of SQLite
  // holds a POSIX lock on the file yet, which any close would drop.
  const Result<base::UniqueFd> file = OpenPrivate(path);
  return file ? std::move(lock) : Result<base::UniqueFd>(file.error());
}

Result<std::unique_ptr<job::Store>> OpenSqliteStore(const std::string& path,
                                                    job::StoreOptions options, Post post,
                                                    Clock clock) {
  Result<base::UniqueFd> lock = LockDatabase(path);
  if (!lock) {
    return lock.error();
  }
  Result<std::unique_ptr<SqliteJobs>> jobs = SqliteJobs::Open(path, options, clock);
  if (!jobs) {
    return jobs.error();
  }
  Result<std::unique_ptr<Connection>> db = Connection::OpenForReading(path);
  if (!db) {
    return db.error();
  }
  if (Result<void> ready = PrepareReading(**db); !ready) {
    return ready.error();
  }
  Connection& reads = **db;
  auto reader = std::make_unique<Reader>(
      Reader{std::move(*db), SqliteReads(reads, options, clock ? clock : base::WallNow)});
  return std::unique_ptr<job::Store>(std::make_unique<SqliteStore>(
      std::move(*lock), std::move(*jobs), std::move(reader), std::move(post), std::move(clock)));
}

}  // namespace store
