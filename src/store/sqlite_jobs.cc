#include "store/sqlite_jobs.h"

#include <limits>
#include <set>
#include <utility>

#include "job/json.h"
#include "store/rules.h"
#include "store/sqlite_schema.h"

namespace store {
namespace {

using base::Result;
using job::Status;

// More than SQLite lets it grow to before it writes it from the start again (1,000 pages with their
// headers), and less than what is cut off (journal_size_limit).
constexpr int64_t kJournalBytes = 4'500'000;

constexpr std::string_view kCancel =
    "UPDATE jobs SET status = 4, finished_at = ?, token = 0, lease_until = 0 WHERE id = ?";

}  // namespace

Result<std::unique_ptr<SqliteJobs>> SqliteJobs::Open(const std::string& path,
                                                     job::StoreOptions options, Clock clock) {
  Result<std::unique_ptr<Connection>> db = Connection::Open(path);
  if (!db) {
    return db.error();
  }
  std::unique_ptr<SqliteJobs> jobs(new SqliteJobs(std::move(*db), options, std::move(clock)));
  Result<void> ready = PrepareDatabase(*jobs->db_);
  if (ready) {
    jobs->db_->BlockingLengthenJournal(kJournalBytes);
    ready = jobs->CountJobs();
  }
  if (!ready) {
    base::Error error = ready.error();
    error.message = path + ": " + error.message;
    return error;
  }
  return jobs;
}

Result<void> SqliteJobs::CountJobs() {
  Statement count = db_->Use(
      "SELECT (SELECT COUNT(*) FROM jobs WHERE status = 0),"
      " (SELECT COUNT(*) FROM jobs WHERE status = 1)");
  if (count.Next()) {
    counts_ = {count.Int(0), count.Int(1)};
  }
  return count.status();
}

Result<void> SqliteJobs::Begin(bool durable) {
  at_begin_ = Now();
  changes_at_begin_ = db_->total_changes();
  if (durable != durable_) {
    // In WAL mode the one is the other and a sync of the whole journal after each commit.
    if (Result<void> set =
            db_->Execute(durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
        !set) {
      return set;
    }
    durable_ = durable;
  }
  return db_->Use("BEGIN IMMEDIATE").Run();
}

Result<Events> SqliteJobs::Commit() {
  Result<void> done = WriteDeferred();
  if (done) {
    done = db_->Use("COMMIT").Run();
  }
  if (!done) {
    return done.error();
  }
  deferred_.clear();
  deferred_written_ = 0;
  if (durable_ && db_->total_changes() != changes_at_begin_) {
    fresh_.clear();
  }
  return std::exchange(events_, {});
}

void SqliteJobs::Rollback() {
  // SQLite may have rolled back by itself (disk full, I/O error): then this fails, rightly.
  (void)db_->Use("ROLLBACK").Run();
  deferred_.clear();
  fresh_.clear();  // some are not there now, and to take the others for durable is safe
  Restore(at_begin_);
}

Result<void> SqliteJobs::SetMark() {
  at_mark_ = Now();
  return db_->Use("SAVEPOINT mark").Run();
}

Result<void> SqliteJobs::KeepMark() {
  return db_->Use("RELEASE mark").Run();
}

Result<void> SqliteJobs::RollbackToMark() {
  Restore(at_mark_);
  if (Result<void> done = db_->Use("ROLLBACK TO mark").Run(); !done) {
    return done;
  }
  return KeepMark();
}

void SqliteJobs::Restore(const State& state) {
  counts_ = state.counts;
  deferred_written_ = state.deferred_written;
  events_.changed.resize(state.changed);
  events_.cancel.resize(state.cancel);
  events_.leases.resize(state.leases);
  events_.queued = state.queued;
}

SqliteJobs::State SqliteJobs::Now() const {
  return {counts_,
          deferred_written_,
          events_.changed.size(),
          events_.cancel.size(),
          events_.leases.size(),
          events_.queued};
}

Result<void> SqliteJobs::Submit(const job::Job& job, job::Durability durability) {
  if (counts_.queued + static_cast<int64_t>(DeferredLeft()) >= options_.max_queued) {
    return QueueFull();
  }
  if (durability == job::Durability::kLater && counts_.queued == 0 && job.max_queued == 0 &&
      job.max_running == 0) {
    deferred_.push_back(job);
    return {};
  }
  if (job.max_queued > 0) {
    Statement count = db_->Use(kCountQueued);
    const bool full =
        count.Bind(job.tenant).Bind(job.max_queued).Next() && count.Int(0) >= job.max_queued;
    if (const Result<void> status = count.status(); !status || full) {
      return status ? TenantQueueFull() : status;
    }
  }
  return InsertQueued(job, durability);
}

Result<void> SqliteJobs::InsertQueued(const job::Job& job, job::Durability durability) {
  Result<void> done = Insert(job, 0, "");
  if (done) {
    ++counts_.queued;
    done = TakeTurns(job.tenant);
  }
  if (done && durability == job::Durability::kLater) {
    fresh_.insert(job.id);
  }
  return done;
}

// Nobody has asked for them: into the queue.
Result<void> SqliteJobs::WriteDeferred() {
  Result<void> done;
  for (; done && DeferredLeft() > 0; deferred_written_ += done ? 1 : 0) {
    done = InsertQueued(deferred_[deferred_written_], job::Durability::kLater);
  }
  return done;
}

Result<job::Lease> SqliteJobs::BeginJob(const std::string& worker, const job::Job& job) {
  if (job.max_running > 0) {
    Statement count = db_->Use(kCountRunning);
    const bool full =
        count.Bind(job.tenant).Bind(job.max_running).Next() && count.Int(0) >= job.max_running;
    if (const Result<void> status = count.status(); !status || full) {
      return status ? TenantBusy() : status.error();
    }
  }
  job::Lease lease;
  lease.job = job;
  if (Result<void> done = InsertRunning(worker, &lease); !done) {
    return done.error();
  }
  return lease;
}

// A new job that was never in the queue. `lease` has the job; it gets the rest.
Result<void> SqliteJobs::InsertRunning(const std::string& worker, job::Lease* lease) {
  ++lease->job.attempts;
  Result<void> done = BeginLease(lease);
  if (done) {
    done = Insert(lease->job, lease->token, worker);
  }
  return done;
}

// As running with a token, else as queued, without a turn for its tenant and without being counted.
Result<void> SqliteJobs::Insert(const job::Job& job, uint64_t token, const std::string& worker) {
  const bool runs = token != 0;
  const std::string submission = job::EncodeSubmission(job.submission);
  Statement insert = db_->Use(
      "INSERT INTO jobs (id, status, created_at, started_at, finished_at, attempts, token, run,"
      " lease_until, worker, error, tenant, language, priority, max_running, tell_at)"
      " VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, ?, '', ?, ?, ?, ?, ?) RETURNING place");
  insert.Bind(job.id).Bind(static_cast<int64_t>(runs ? Status::kRunning : Status::kQueued));
  insert.Bind(job.created_at).Bind(runs ? job.started_at : 0).Bind(job.attempts);
  insert.Bind(static_cast<int64_t>(token)).Bind(static_cast<int64_t>(token));
  insert.Bind(runs ? lease_clock_() + options_.lease_time : 0).Bind(worker).Bind(job.tenant);
  insert.Bind(job.submission.language).Bind(job.submission.priority).Bind(job.max_running);
  // Due as soon as it is final.
  insert.Bind(job.submission.webhook.url.empty() ? int64_t{0} : int64_t{1});
  if (!insert.Next()) {
    const Result<void> status = insert.status();
    return status || status.error().kind != base::ErrorKind::kConflict ? status : DuplicateId();
  }
  const int64_t place = insert.Int(0);
  if (Result<void> done = insert.Run(); !done) {
    return done;
  }
  return db_->Use("INSERT INTO submissions VALUES (?, ?)").Bind(place).Bind(submission).Run();
}

// A commit that changes nothing is not synced; and tokens may leave some out.
Result<void> SqliteJobs::Sync() {
  return db_->Use("UPDATE counters SET value = value + 1 WHERE name = 'token'").Run();
}

Result<void> SqliteJobs::TakeTurns(const std::string& tenant) {
  return db_->Use(kTakeTurns).Bind(tenant).Run();
}

Result<void> SqliteJobs::LetNextRun(const std::string& tenant) {
  Result<void> done = TakeTurns(tenant);
  events_.queued = events_.queued || (done && db_->changes() > 0);
  return done;
}

Result<std::vector<job::Lease>> SqliteJobs::LeaseJobs(const std::string& worker, int max) {
  if (Result<int64_t> ended = EndLeases(lease_clock_()); !ended) {
    return ended.error();
  }
  std::vector<job::Lease> leases;
  if (counts_.queued == 0 && DeferredLeft() <= static_cast<size_t>(max)) {
    for (; DeferredLeft() > 0; ++deferred_written_) {
      leases.emplace_back().job = deferred_[deferred_written_];
      if (Result<void> done = InsertRunning(worker, &leases.back()); !done) {
        return done.error();
      }
    }
  } else if (Result<void> done = WriteDeferred(); !done) {
    return done.error();
  }
  while (counts_.queued > 0 && static_cast<int>(leases.size()) < max) {
    int64_t turn = 0;
    std::string tenant;
    {
      Statement next = db_->Use(kNextTurn);
      if (!next.Next()) {
        if (const Result<void> end = next.status(); !end) {
          return end.error();
        }
        break;  // as many jobs run as may of all tenants that have queued ones
      }
      turn = next.Int(0);
      tenant = next.Text(1);
    }
    Result<std::optional<job::Lease>> lease = LeaseNext(worker, tenant);
    if (!lease) {
      return lease.error();
    }
    Result<void> moved = db_->Use(kEndTurn).Bind(turn).Run();
    if (moved) {
      moved = TakeTurns(tenant);
    }
    if (!moved) {
      return moved.error();
    }
    if (*lease) {
      leases.push_back(std::move(**lease));
    }
  }
  return leases;
}

// nullopt: what was first cannot be read, and has failed; or the tenant has nothing queued.
Result<std::optional<job::Lease>> SqliteJobs::LeaseNext(const std::string& worker,
                                                        const std::string& tenant) {
  job::Lease lease;
  job::Job& job = lease.job;
  Result<job::Submission> submission = base::Internal("");
  {
    Statement next = db_->Use(kNextJob);
    if (!next.Bind(tenant).Next()) {
      const Result<void> end = next.status();
      return end ? Result<std::optional<job::Lease>>(std::nullopt) : end.error();
    }
    job.id = next.Text(0);
    job.created_at = next.Int(1);
    job.attempts = static_cast<int>(next.Int(2)) + 1;
    submission = job::DecodeSubmission(next.Text(3));
  }
  if (!submission) {
    const Result<void> failed = FailUnreadable(job.id, submission.error().message);
    return failed ? Result<std::optional<job::Lease>>(std::nullopt) : failed.error();
  }
  job.submission = std::move(*submission);
  job.tenant = tenant;
  if (Result<void> done = LeaseTo(worker, &lease); !done) {
    return done.error();
  }
  return std::optional<job::Lease>(std::move(lease));
}

// Of a job whose attempts are counted already: what the lease has of its own, its events and its
// count.
Result<void> SqliteJobs::BeginLease(job::Lease* lease) {
  Statement next =
      db_->Use("UPDATE counters SET value = value + 1 WHERE name = 'token' RETURNING value");
  lease->token = next.Next() ? static_cast<uint64_t>(next.Int(0)) : 0;
  if (Result<void> done = next.Run(); !done) {
    return done;
  }
  if (lease->token == 0) {
    return base::Internal("database: the token counter is missing");
  }
  lease->job.status = Status::kRunning;
  lease->job.started_at = clock_();
  lease->job.run = lease->token;
  ++counts_.running;
  events_.changed.push_back({lease->job.id, false});
  events_.leases.emplace_back(lease->job.id, lease->token);
  return {};
}

// Makes a queued job running.
Result<void> SqliteJobs::LeaseTo(const std::string& worker, job::Lease* lease) {
  if (Result<void> done = BeginLease(lease); !done) {
    return done;
  }
  const job::Job& job = lease->job;
  Statement update = db_->Use(
      "UPDATE jobs SET status = 1, started_at = ?, attempts = ?, token = ?, run = ?,"
      " lease_until = ?, worker = ? WHERE id = ?");
  update.Bind(job.started_at).Bind(job.attempts).Bind(static_cast<int64_t>(lease->token));
  update.Bind(static_cast<int64_t>(lease->token));
  update.Bind(lease_clock_() + options_.lease_time).Bind(worker).Bind(job.id);
  if (Result<void> done = update.Run(); !done) {
    return done;
  }
  fresh_.erase(job.id);
  --counts_.queued;
  return {};
}

Result<void> SqliteJobs::FailUnreadable(const std::string& id, std::string_view why) {
  fresh_.erase(id);
  --counts_.queued;
  events_.changed.push_back({id});
  return db_->Use("UPDATE jobs SET status = 3, finished_at = ?, error = ? WHERE id = ?")
      .Bind(clock_())
      .Bind(why)
      .Bind(id)
      .Run();
}

Result<void> SqliteJobs::Renew(const std::string& id, uint64_t token) {
  Result<void> done =
      db_->Use("UPDATE jobs SET lease_until = ? WHERE id = ? AND token = ? AND status = 1")
          .Bind(lease_clock_() + options_.lease_time)
          .Bind(id)
          .Bind(static_cast<int64_t>(token))
          .Run();
  return done && db_->changes() == 0 ? StaleToken() : done;
}

Result<void> SqliteJobs::Finish(const std::string& id, uint64_t token,
                                const job::Outcome& outcome) {
  if (Result<void> valid = CheckOutcome(outcome); !valid) {
    return valid;
  }
  Statement update = db_->Use(
      "UPDATE jobs SET status = ?, finished_at = ?, error = ?, token = 0, lease_until = 0"
      " WHERE id = ? AND token = ? AND status = 1 RETURNING place, tenant, max_running");
  update.Bind(static_cast<int64_t>(outcome.status));
  update.Bind(outcome.finished_at != 0 ? outcome.finished_at : clock_());
  update.Bind(outcome.error).Bind(id).Bind(static_cast<int64_t>(token));
  if (!update.Next()) {
    const Result<void> status = update.status();
    return status ? StaleToken() : status;
  }
  const int64_t place = update.Int(0);
  const std::string tenant(update.Text(1));
  const bool bounded = update.Int(2) > 0;
  Result<void> done = update.Run();
  if (done) {
    LeaseEnded(id);
    done = bounded ? LetNextRun(tenant) : done;
  }
  if (!done || !outcome.result) {
    return done;
  }
  const std::string result = job::EncodeResult(*outcome.result);
  return db_->Use("INSERT INTO results VALUES (?, ?)").Bind(place).Bind(result).Run();
}

Result<void> SqliteJobs::Release(const std::string& id, uint64_t token) {
  {
    Statement held =
        db_->Use("SELECT cancel, tenant FROM jobs WHERE id = ? AND token = ? AND status = 1");
    if (!held.Bind(id).Bind(static_cast<int64_t>(token)).Next()) {
      const Result<void> end = held.status();
      return end ? StaleToken() : end;
    }
    if (held.Int(0) != 0) {
      LeaseEnded(id);
      const Result<void> done = db_->Use(kCancel).Bind(clock_()).Bind(id).Run();
      return done ? LetNextRun(std::string(held.Text(1))) : done;
    }
  }
  std::string tenant;
  {
    Statement release = db_->Use(
        "UPDATE jobs SET status = 0, started_at = 0, attempts = attempts - 1, token = 0,"
        " lease_until = 0, returned = 1 WHERE id = ? RETURNING tenant");
    if (release.Bind(id).Next()) {
      tenant = release.Text(0);
    }
    if (Result<void> done = release.Run(); !done) {
      return done;
    }
  }
  LeaseEnded(id);
  ++counts_.queued;
  events_.queued = true;
  return TakeTurns(tenant);
}

Result<job::Job> SqliteJobs::Cancel(const std::string& id) {
  Result<job::Job> job = reads_.Get(id);
  if (!job) {
    return job;
  }
  Result<void> done;
  if (job->status == Status::kQueued) {
    job->status = Status::kCancelled;
    job->finished_at = clock_();
    fresh_.erase(id);
    --counts_.queued;
    events_.changed.push_back({id});
    done = db_->Use(kCancel).Bind(job->finished_at).Bind(id).Run();
    if (done) {
      done = db_->Use(kDropIdle).Bind(job->tenant).Run();
    }
  } else if (job->status == Status::kRunning) {
    events_.cancel.push_back(id);
    done = db_->Use("UPDATE jobs SET cancel = 1 WHERE id = ?").Bind(id).Run();
  }
  return done ? std::move(job) : Result<job::Job>(done.error());
}

void SqliteJobs::LeaseEnded(const std::string& id) {
  --counts_.running;
  events_.changed.push_back({id});
  events_.leases.emplace_back(id, 0);
}

Result<int64_t> SqliteJobs::Recover() {
  return EndLeases(std::numeric_limits<base::Nanos>::max());
}

Result<int64_t> SqliteJobs::EndLeases(base::Nanos expired_until) {
  if (counts_.running == 0) {
    return 0;
  }
  int64_t ended = 0;
  std::set<std::string> tenants;
  // Takes the rows that a statement has changed: id and tenant.
  const auto take = [&](Statement& update, bool queued) {
    for (; update.Next(); ++ended) {
      LeaseEnded(std::string(update.Text(0)));
      tenants.emplace(update.Text(1));
      counts_.queued += queued ? 1 : 0;
    }
    return update.status();
  };
  {
    Statement cancel = db_->Use(
        "UPDATE jobs SET status = 4, finished_at = ?, token = 0, lease_until = 0"
        " WHERE status = 1 AND lease_until <= ? AND cancel = 1 RETURNING id, tenant");
    cancel.Bind(clock_()).Bind(expired_until);
    if (Result<void> done = take(cancel, false); !done) {
      return done.error();
    }
  }
  const std::string error = AttemptsUsedUp(options_.max_attempts);
  {
    Statement fail = db_->Use(
        "UPDATE jobs SET status = 3, finished_at = ?, error = ?, token = 0, lease_until = 0"
        " WHERE status = 1 AND lease_until <= ? AND attempts >= ? RETURNING id, tenant");
    fail.Bind(clock_()).Bind(error).Bind(expired_until).Bind(options_.max_attempts);
    if (Result<void> done = take(fail, false); !done) {
      return done.error();
    }
  }
  {
    Statement requeue = db_->Use(
        "UPDATE jobs SET status = 0, started_at = 0, token = 0, lease_until = 0, returned = 1"
        " WHERE status = 1 AND lease_until <= ? RETURNING id, tenant");
    requeue.Bind(expired_until);
    if (Result<void> done = take(requeue, true); !done) {
      return done.error();
    }
  }
  for (const std::string& tenant : tenants) {
    if (Result<void> done = LetNextRun(tenant); !done) {
      return done.error();
    }
  }
  return ended;
}

Result<int64_t> SqliteJobs::Sweep() {
  const base::Nanos now = clock_();
  if (Result<int64_t> ended = EndLeases(lease_clock_()); !ended) {
    return ended;
  }
  Result<void> done = db_->Use(
                             "DELETE FROM jobs WHERE place IN (SELECT place FROM jobs WHERE"
                             " status >= 2 AND finished_at <= ? ORDER BY finished_at LIMIT ?)")
                          .Bind(now - options_.job_ttl)
                          .Bind(kSweepBatch)
                          .Run();
  if (!done) {
    return done.error();
  }
  return db_->changes();
}

}  // namespace store
