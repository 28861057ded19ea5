#include "store/sqlite_schema.h"

#include <array>
#include <string>

#include "job/job.h"

namespace store {
namespace {

using base::Result;
using job::Status;

// Small, since the daemon is to be small and reads each page about once. The journal is cut back
// after a burst of large jobs.
constexpr const char* kSettings = R"(
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA foreign_keys = ON;
  PRAGMA temp_store = MEMORY;
  PRAGMA cache_size = -1024;
  PRAGMA mmap_size = 0;
  PRAGMA journal_size_limit = 16777216;
)";

// A row of `jobs` changes several times, so the large texts are in tables of their own: SQLite
// rewrites a row as a whole. `place` is the order of the queue; a job keeps it for life. `status`
// is job::Status; a released or finished job has token 0.
constexpr const char* kVersion1 = R"(
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
)";

// `returned`: 1 when the job was given back or lost its worker. `cancel`: 1 when it runs and is to
// be killed. `run`: the token of the latest lease, kept after its end. `turns` has a row for each
// tenant with queued jobs that may run (and perhaps for one without), in the order of their turns:
// a new row's key is the greatest.
constexpr const char* kVersion2 = R"(
  ALTER TABLE jobs ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
  ALTER TABLE jobs ADD COLUMN language TEXT NOT NULL DEFAULT '';
  ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE jobs ADD COLUMN returned INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE jobs ADD COLUMN cancel INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE jobs ADD COLUMN run INTEGER NOT NULL DEFAULT 0;
  UPDATE jobs SET language = coalesce((
    SELECT CASE WHEN json_valid(submission) THEN json_extract(submission, '$.language') END
    FROM submissions WHERE submissions.place = jobs.place), '');
  DROP INDEX jobs_queued;
  CREATE INDEX jobs_queued ON jobs (tenant, returned DESC, priority DESC, place) WHERE status = 0;
  CREATE INDEX jobs_created ON jobs (created_at, id);
  CREATE TABLE turns (turn INTEGER PRIMARY KEY, tenant TEXT NOT NULL UNIQUE) STRICT;
  INSERT INTO turns (tenant) SELECT DISTINCT tenant FROM jobs WHERE status = 0;
)";

// `max_running`: of the job's tenant; 0: no bound. The counter 'keys' counts changes of `keys`.
// `tell_at`: when the webhook of a final job is due; 0: never; `told`: how often it was tried.
constexpr const char* kVersion3 = R"(
  ALTER TABLE jobs ADD COLUMN max_running INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE jobs ADD COLUMN tell_at INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE jobs ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX jobs_to_tell ON jobs (tell_at) WHERE tell_at > 0 AND status >= 2;
  CREATE TABLE keys (id TEXT NOT NULL UNIQUE, record TEXT NOT NULL) STRICT;
  CREATE TABLE secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO counters VALUES ('keys', 0);
)";

// The n-th takes a database of version n to version n + 1; an empty one has version 0.
constexpr std::array kSteps = {kVersion1, kVersion2, kVersion3};
static_assert(kSteps.size() == kSchemaVersion);

static_assert(static_cast<int>(Status::kQueued) == 0 && static_cast<int>(Status::kRunning) == 1 &&
              static_cast<int>(Status::kCompleted) == 2 && static_cast<int>(Status::kFailed) == 3 &&
              static_cast<int>(Status::kCancelled) == 4);

Result<int64_t> Version(Connection& db) {
  Statement read = db.Use("PRAGMA user_version");
  const int64_t version = read.Next() ? read.Int(0) : 0;
  const Result<void> status = read.status();
  return status ? Result<int64_t>(version) : status.error();
}

}  // namespace

Result<void> PrepareDatabase(Connection& db) {
  if (Result<void> set = db.Execute(kSettings); !set) {
    return set;
  }
  const Result<int64_t> version = Version(db);
  if (!version) {
    return version.error();
  }
  if (*version < 0 || *version > kSchemaVersion) {
    return base::Internal("the database has schema version " + std::to_string(*version) +
                          "; this program knows versions up to " + std::to_string(kSchemaVersion) +
                          ": run the newer program, or set STATE_DIR to another folder");
  }
  if (*version == kSchemaVersion) {
    return {};
  }
  Result<void> done = db.Execute("BEGIN IMMEDIATE");
  for (auto step = static_cast<size_t>(*version); done && step < kSteps.size(); ++step) {
    done = db.Execute(kSteps.at(step));
  }
  if (done) {
    const std::string mark = "PRAGMA user_version = " + std::to_string(kSchemaVersion);
    done = db.Execute(mark.c_str());
  }
  if (done) {
    done = db.Execute("COMMIT");
  }
  if (!done) {
    // SQLite may have rolled back by itself: then this fails, rightly.
    (void)db.Execute("ROLLBACK");
  }
  return done;
}

Result<void> PrepareReading(Connection& db) {
  return db.Execute(
      "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -1024;"
      " PRAGMA mmap_size = 0;");
}

Result<void> CheckDatabase(Connection& db) {
  const Result<int64_t> version = Version(db);
  if (!version) {
    return version.error();
  }
  if (*version != kSchemaVersion) {
    return base::Error{base::ErrorKind::kConflict,
                       "the service that uses it has schema version " + std::to_string(*version) +
                           ", this program has " + std::to_string(kSchemaVersion) +
                           ": use the service's own program",
                       0};
  }
  // A writer must not be the one that makes the other's commits less durable.
  return db.Execute("PRAGMA synchronous = FULL");
}

}  // namespace store
