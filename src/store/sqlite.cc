#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "base/unique_fd.h"
#include "store/local_keys.h"
#include "store/output_log.h"
#include "store/sqlite_jobs.h"
#include "store/stores.h"
#include "store/watch_list.h"

namespace store {
namespace {

using base::Result;

// Requests of clients that wait for the thread; more are refused. Those of workers are bounded by
// the number of jobs that run, and are never refused, for they end leases.
constexpr size_t kMaxWaiting = 4096;

// Work for the thread: one transaction holds many.
class Task {
 public:
  virtual ~Task() = default;

  // On the thread, before Work. Whether what it does is to be durable when it is answered.
  virtual bool IsDurable(const SqliteJobs& jobs) const = 0;

  // On the thread. False: its writes are to be undone.
  virtual bool Work(SqliteJobs& jobs) = 0;

  // After Work or instead of it: the transaction failed.
  virtual void Fail(const base::Error& error) = 0;

  // On the loop, once. May destroy the store.
  virtual void Answer() = 0;
};

enum class Synced { kAlways, kNever, kIfDurableQueued };

template <typename T, typename F>
class TaskOf final : public Task {
 public:
  TaskOf(Synced synced, F work, job::Store::Callback<T> done)
      : synced_(synced), work_(std::move(work)), done_(std::move(done)) {}

  bool IsDurable(const SqliteJobs& jobs) const override {
    return synced_ == Synced::kAlways ||
           (synced_ == Synced::kIfDurableQueued && jobs.HasDurableQueued());
  }

  bool Work(SqliteJobs& jobs) override {
    try {
      result_ = work_(jobs);
    } catch (const std::exception& e) {
      result_ = base::Internal(std::string("store: ") + e.what());
    }
    return result_.has_value();
  }

  void Fail(const base::Error& error) override { result_ = error; }

  void Answer() override { done_(std::move(result_)); }

 private:
  const Synced synced_;
  F work_;
  job::Store::Callback<T> done_;
  Result<T> result_ = base::Internal("store: not done");
};

using Tasks = std::vector<std::unique_ptr<Task>>;

base::Error Unavailable(base::Error error) {
  error.kind = base::ErrorKind::kUnavailable;
  return error;
}

// Does the tasks in one transaction. The answers are right when this returns.
Events RunBatch(SqliteJobs& jobs, const Tasks& tasks) {
  const auto fail_all = [&](const base::Error& error) {
    jobs.Rollback();
    for (const auto& task : tasks) {
      task->Fail(Unavailable(error));
    }
    return Events();
  };
  const bool durable = std::any_of(tasks.begin(), tasks.end(),
                                   [&](const auto& task) { return task->IsDurable(jobs); });
  if (Result<void> begun = jobs.Begin(durable); !begun) {
    return fail_all(begun.error());
  }
  for (const auto& task : tasks) {
    Result<void> marked = jobs.SetMark();
    if (marked) {
      marked = task->Work(jobs) ? jobs.KeepMark() : jobs.RollbackToMark();
    }
    if (!marked) {
      return fail_all(marked.error());
    }
  }
  Result<Events> events = jobs.Commit();
  return events ? std::move(*events) : fail_all(events.error());
}

class SqliteStore final : public job::Store, public job::KeyStore, public job::DeliveryStore {
 public:
  SqliteStore(base::UniqueFd lock, std::unique_ptr<SqliteJobs> jobs, Post post, Clock clock)
      : lock_(std::move(lock)),
        jobs_(std::move(jobs)),
        post_(std::move(post)),
        output_(post_, clock ? clock : base::MonotonicNow),
        rates_(post_, clock ? std::move(clock) : base::MonotonicNow),
        thread_([this] { Run(); }) {}

  // Finishes what is waiting, so that a result handed over just before is not lost; drops answers.
  ~SqliteStore() override {
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

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
  }

  void Sync(Callback<void> done) override {
    Enqueue<void>(
        Synced::kAlways, [](SqliteJobs& jobs) { return jobs.Sync(); }, std::move(done));
  }

  void Get(std::string id, Callback<job::Job> done) override {
    EnqueueUnlessFull<job::Job>(
        Synced::kNever, [id = std::move(id)](SqliteJobs& jobs) { return jobs.Get(id); },
        std::move(done));
  }

  void List(job::ListQuery query, Callback<job::ListPage> done) override {
    EnqueueUnlessFull<job::ListPage>(
        Synced::kNever, [query = std::move(query)](SqliteJobs& jobs) { return jobs.List(query); },
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
    Enqueue<job::StoreStats>(
        Synced::kNever, [](SqliteJobs& jobs) { return Result<job::StoreStats>(jobs.Stats()); },
        std::move(done));
  }

  WatchHandle Watch(std::string id, std::function<void()> changed) override {
    return watchers_.Add(std::move(id), std::move(changed));
  }

  void Publish(std::string id, job::OutputChunk chunk) override {
    output_.Publish(id, std::move(chunk));
  }

  WatchHandle WatchOutput(std::string id, job::OutputPosition from,
                          OutputListener listener) override {
    return output_.Watch(std::move(id), from, std::move(listener));
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
  bool IsFull() {
    const std::lock_guard<std::mutex> guard(mutex_);
    return waiting_.size() >= kMaxWaiting;
  }

  template <typename T, typename F>
  void EnqueueUnlessFull(Synced synced, F work, Callback<T> done) {
    if (IsFull()) {
      return Refuse<T>({base::ErrorKind::kUnavailable, "the store is busy", 0}, std::move(done));
    }
    Enqueue<T>(synced, std::move(work), std::move(done));
  }

  template <typename T, typename F>
  void Enqueue(Synced synced, F work, Callback<T> done) {
    auto task = std::make_unique<TaskOf<T, F>>(synced, std::move(work), std::move(done));
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      waiting_.push_back(std::move(task));
    }
    wake_.notify_one();
  }

  template <typename T>
  void Refuse(base::Error error, Callback<T> done) {
    post_([alive = std::weak_ptr<bool>(alive_), error = std::move(error), done = std::move(done)] {
      if (!alive.expired()) {
        done(error);
      }
    });
  }

  // The thread. While one transaction is being made durable, requests gather for the next: the
  // slower the disk, the larger the batches.
  void Run() {
    std::unique_lock<std::mutex> guard(mutex_);
    for (;;) {
      wake_.wait(guard, [&] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) {
        return;
      }
      auto tasks = std::make_shared<Tasks>(std::exchange(waiting_, {}));
      guard.unlock();
      Events events = RunBatch(*jobs_, *tasks);
      // The tasks are moved, so that the callbacks are destroyed on the loop's thread.
      post_([this, alive = std::weak_ptr<bool>(alive_), tasks = std::move(tasks),
             events = std::move(events)] {
        if (!alive.expired()) {
          output_.Deliver();
        }
        if (!alive.expired()) {
          output_.Follow(events);  // before the answers: what they start may write at once
        }
        for (const auto& task : *tasks) {
          if (alive.expired()) {
            return;
          }
          task->Answer();
        }
        if (!alive.expired()) {
          watchers_.Notify(events);
        }
      });
      guard.lock();
    }
  }

  const base::UniqueFd lock_;
  const std::unique_ptr<SqliteJobs> jobs_;  // of the thread alone
  const Post post_;
  WatchList watchers_;
  OutputLog output_;
  LocalRates rates_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  std::mutex mutex_;
  std::condition_variable wake_;
  Tasks waiting_;          // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;     // last: starts when all else is there
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
  return std::unique_ptr<job::Store>(std::make_unique<SqliteStore>(
      std::move(*lock), std::move(*jobs), std::move(post), std::move(clock)));
}

}  // namespace store
