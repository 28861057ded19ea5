#include "store/sqlite_jobs.h"

#include <limits>
#include <utility>

#include "job/json.h"
#include "store/rules.h"

namespace store {
namespace {

using base::Result;
using job::Status;

constexpr int64_t kSchemaVersion = 1;

// Small, since the daemon is to be small and reads each page about once. The journal is cut back
// after a burst of large jobs.
constexpr const char* kSettings = R"(
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA foreign_keys = ON;
  PRAGMA cache_size = -1024;
  PRAGMA mmap_size = 0;
  PRAGMA journal_size_limit = 16777216;
)";

// A row of `jobs` changes several times, so the large texts are in tables of their own: SQLite
// rewrites a row as a whole. `place` is the order of the queue; a job keeps it for life. `status`
// is job::Status; a released or finished job has token 0.
constexpr const char* kSchema = R"(
  CREATE TABLE jobs (
    place INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    status INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    token INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    worker TEXT NOT NULL,
    error TEXT NOT NULL
  ) STRICT;
  CREATE INDEX jobs_queued ON jobs (place) WHERE status = 0;
  CREATE INDEX jobs_running ON jobs (lease_until) WHERE status = 1;
  CREATE INDEX jobs_final ON jobs (finished_at) WHERE status >= 2;
  CREATE TABLE submissions (
    place INTEGER PRIMARY KEY REFERENCES jobs (place) ON DELETE CASCADE,
    submission TEXT NOT NULL
  ) STRICT;
  CREATE TABLE results (
    place INTEGER PRIMARY KEY REFERENCES jobs (place) ON DELETE CASCADE,
    result TEXT NOT NULL
  ) STRICT;
  CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO counters VALUES ('token', 0);
  PRAGMA user_version = 1;
)";

static_assert(static_cast<int>(Status::kQueued) == 0 && static_cast<int>(Status::kRunning) == 1 &&
              static_cast<int>(Status::kCompleted) == 2 && static_cast<int>(Status::kFailed) == 3 &&
              static_cast<int>(Status::kCancelled) == 4);

}  // namespace

Result<std::unique_ptr<SqliteJobs>> SqliteJobs::Open(const std::string& path,
                                                     job::StoreOptions options, Clock clock) {
  Result<std::unique_ptr<Connection>> db = Connection::Open(path);
  if (!db) {
    return db.error();
  }
  std::unique_ptr<SqliteJobs> jobs(new SqliteJobs(std::move(*db), options, std::move(clock)));
  Result<void> ready = jobs->db_->Execute(kSettings);
  if (ready) {
    ready = jobs->Migrate();
  }
  if (ready) {
    ready = jobs->CountJobs();
  }
  if (!ready) {
    base::Error error = ready.error();
    error.message = path + ": " + error.message;
    return error;
  }
  return jobs;
}

Result<void> SqliteJobs::Migrate() {
  int64_t version = 0;
  {
    Statement read = db_->Use("PRAGMA user_version");
    if (read.Next()) {
      version = read.Int(0);
    }
    if (Result<void> status = read.status(); !status) {
      return status;
    }
  }
  if (version > kSchemaVersion) {
    return base::Internal("the database has schema version " + std::to_string(version) +
                          "; this program knows versions up to " + std::to_string(kSchemaVersion));
  }
  if (version == kSchemaVersion) {
    return {};
  }
  Result<void> done = Begin();
  if (done) {
    done = db_->Execute(kSchema);
  }
  if (done) {
    done = db_->Execute("COMMIT");
  }
  if (!done) {
    Rollback();
  }
  return done;
}

Result<void> SqliteJobs::CountJobs() {
  Statement count = db_->Use(
      "SELECT (SELECT COUNT(*) FROM jobs WHERE status = 0),"
      " (SELECT COUNT(*) FROM jobs WHERE status = 1)");
  if (count.Next()) {
    state_.counts = {count.Int(0), count.Int(1)};
  }
  return count.status();
}

Result<void> SqliteJobs::Begin() {
  at_begin_ = state_;
  return db_->Use("BEGIN IMMEDIATE").Run();
}

Result<Events> SqliteJobs::Commit() {
  if (Result<void> done = db_->Use("COMMIT").Run(); !done) {
    return done.error();
  }
  Events events{std::move(changed_), state_.events_queued};
  changed_.clear();
  state_.events_changed = 0;
  state_.events_queued = false;
  return events;
}

void SqliteJobs::Rollback() {
  // SQLite may have rolled back by itself (disk full, I/O error): then this fails, rightly.
  (void)db_->Use("ROLLBACK").Run();
  Restore(at_begin_);
}

Result<void> SqliteJobs::SetMark() {
  at_mark_ = state_;
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
  state_ = state;
  changed_.resize(state.events_changed);
}

void SqliteJobs::Changed(std::string id) {
  changed_.push_back(std::move(id));
  state_.events_changed = changed_.size();
}

Result<void> SqliteJobs::Submit(const job::Job& job) {
  if (state_.counts.queued >= options_.max_queued) {
    return QueueFull();
  }
  const std::string submission = job::EncodeSubmission(job.submission);
  Statement insert = db_->Use(
      "INSERT INTO jobs (id, status, created_at, started_at, finished_at, attempts, token,"
      " lease_until, worker, error) VALUES (?, 0, ?, 0, 0, ?, 0, 0, '', '') RETURNING place");
  insert.Bind(job.id).Bind(job.created_at).Bind(job.attempts);
  if (!insert.Next()) {
    const Result<void> status = insert.status();
    return status || status.error().kind != base::ErrorKind::kConflict ? status : DuplicateId();
  }
  const int64_t place = insert.Int(0);
  if (Result<void> done = insert.Run(); !done) {
    return done;
  }
  ++state_.counts.queued;
  state_.events_queued = true;
  return db_->Use("INSERT INTO submissions VALUES (?, ?)").Bind(place).Bind(submission).Run();
}

Result<job::Job> SqliteJobs::Get(const std::string& id) {
  Statement select = db_->Use(
      "SELECT status, created_at, started_at, finished_at, attempts, error, submission, result"
      " FROM jobs JOIN submissions USING (place) LEFT JOIN results USING (place) WHERE id = ?");
  if (!select.Bind(id).Next()) {
    const Result<void> status = select.status();
    return status ? NoSuchJob() : status.error();
  }
  job::Job job;
  job.id = id;
  job.status = static_cast<Status>(select.Int(0));
  job.created_at = select.Int(1);
  job.started_at = select.Int(2);
  job.finished_at = select.Int(3);
  job.attempts = static_cast<int>(select.Int(4));
  job.error = select.Text(5);
  if (IsPastTtl(job, options_, clock_())) {
    return NoSuchJob();
  }
  if (Result<job::Submission> submission = job::DecodeSubmission(select.Text(6))) {
    job.submission = std::move(*submission);
  } else if (job.status != Status::kFailed) {  // else its error says so
    return submission.error();
  }
  if (!select.IsNull(7)) {
    Result<job::Result> result = job::DecodeResult(select.Text(7));
    if (!result) {
      return result.error();
    }
    job.result = std::move(*result);
  }
  return job;
}

Result<std::vector<job::Lease>> SqliteJobs::LeaseJobs(const std::string& worker, int max) {
  if (Result<int64_t> ended = EndLeases(clock_()); !ended) {
    return ended.error();
  }
  std::vector<job::Lease> leases;
  while (state_.counts.queued > 0 && static_cast<int>(leases.size()) < max) {
    job::Lease lease;
    job::Job& job = lease.job;
    Result<job::Submission> submission = base::Internal("");
    {
      Statement next = db_->Use(
          "SELECT id, created_at, attempts, submission FROM jobs JOIN submissions USING (place)"
          " WHERE status = 0 ORDER BY place LIMIT 1");
      if (!next.Next()) {
        if (Result<void> status = next.status(); !status) {
          return status.error();
        }
        break;
      }
      job.id = next.Text(0);
      job.created_at = next.Int(1);
      job.attempts = static_cast<int>(next.Int(2)) + 1;
      submission = job::DecodeSubmission(next.Text(3));
    }
    if (!submission) {
      if (Result<void> failed = FailUnreadable(job.id, submission.error().message); !failed) {
        return failed.error();
      }
      continue;
    }
    job.submission = std::move(*submission);
    job.status = Status::kRunning;
    job.started_at = clock_();
    Statement token =
        db_->Use("UPDATE counters SET value = value + 1 WHERE name = 'token' RETURNING value");
    lease.token = token.Next() ? static_cast<uint64_t>(token.Int(0)) : 0;
    if (Result<void> done = token.Run(); !done) {
      return done.error();
    }
    if (lease.token == 0) {
      return base::Internal("database: the token counter is missing");
    }
    Statement update = db_->Use(
        "UPDATE jobs SET status = 1, started_at = ?, attempts = ?, token = ?, lease_until = ?,"
        " worker = ? WHERE id = ?");
    update.Bind(job.started_at).Bind(job.attempts).Bind(static_cast<int64_t>(lease.token));
    update.Bind(job.started_at + options_.lease_time).Bind(worker).Bind(job.id);
    if (Result<void> done = update.Run(); !done) {
      return done.error();
    }
    --state_.counts.queued;
    ++state_.counts.running;
    Changed(job.id);
    leases.push_back(std::move(lease));
  }
  return leases;
}

Result<void> SqliteJobs::FailUnreadable(const std::string& id, std::string_view why) {
  --state_.counts.queued;
  Changed(id);
  return db_->Use("UPDATE jobs SET status = 3, finished_at = ?, error = ? WHERE id = ?")
      .Bind(clock_())
      .Bind(why)
      .Bind(id)
      .Run();
}

Result<void> SqliteJobs::Renew(const std::string& id, uint64_t token) {
  Result<void> done =
      db_->Use("UPDATE jobs SET lease_until = ? WHERE id = ? AND token = ? AND status = 1")
          .Bind(clock_() + options_.lease_time)
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
      " WHERE id = ? AND token = ? AND status = 1 RETURNING place");
  update.Bind(static_cast<int64_t>(outcome.status));
  update.Bind(outcome.finished_at != 0 ? outcome.finished_at : clock_());
  update.Bind(outcome.error).Bind(id).Bind(static_cast<int64_t>(token));
  if (!update.Next()) {
    const Result<void> status = update.status();
    return status ? StaleToken() : status;
  }
  const int64_t place = update.Int(0);
  if (Result<void> done = update.Run(); !done) {
    return done;
  }
  --state_.counts.running;
  Changed(id);
  if (!outcome.result) {
    return {};
  }
  const std::string result = job::EncodeResult(*outcome.result);
  return db_->Use("INSERT INTO results VALUES (?, ?)").Bind(place).Bind(result).Run();
}

Result<void> SqliteJobs::Release(const std::string& id, uint64_t token) {
  Result<void> done =
      db_->Use(
             "UPDATE jobs SET status = 0, started_at = 0, attempts = attempts - 1, token = 0,"
             " lease_until = 0 WHERE id = ? AND token = ? AND status = 1")
          .Bind(id)
          .Bind(static_cast<int64_t>(token))
          .Run();
  if (!done) {
    return done;
  }
  if (db_->changes() == 0) {
    return StaleToken();
  }
  --state_.counts.running;
  ++state_.counts.queued;
  state_.events_queued = true;
  Changed(id);
  return {};
}

Result<int64_t> SqliteJobs::Recover() {
  return EndLeases(std::numeric_limits<base::Nanos>::max());
}

Result<int64_t> SqliteJobs::EndLeases(base::Nanos expired_until) {
  if (state_.counts.running == 0) {
    return 0;
  }
  int64_t ended = 0;
  const std::string error = AttemptsUsedUp(options_.max_attempts);
  {
    Statement fail = db_->Use(
        "UPDATE jobs SET status = 3, finished_at = ?, error = ?, token = 0, lease_until = 0"
        " WHERE status = 1 AND lease_until <= ? AND attempts >= ? RETURNING id");
    fail.Bind(clock_()).Bind(error).Bind(expired_until).Bind(options_.max_attempts);
    for (; fail.Next(); ++ended) {
      --state_.counts.running;
      Changed(std::string(fail.Text(0)));
    }
    if (Result<void> status = fail.status(); !status) {
      return status.error();
    }
  }
  Statement requeue = db_->Use(
      "UPDATE jobs SET status = 0, started_at = 0, token = 0, lease_until = 0"
      " WHERE status = 1 AND lease_until <= ? RETURNING id");
  requeue.Bind(expired_until);
  for (; requeue.Next(); ++ended) {
    --state_.counts.running;
    ++state_.counts.queued;
    state_.events_queued = true;
    Changed(std::string(requeue.Text(0)));
  }
  if (Result<void> status = requeue.status(); !status) {
    return status.error();
  }
  return ended;
}

Result<int64_t> SqliteJobs::Sweep() {
  const base::Nanos now = clock_();
  if (Result<int64_t> ended = EndLeases(now); !ended) {
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
