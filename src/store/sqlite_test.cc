// What the SQLite store promises beyond the contract of all stores.
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <list>
#include <optional>
#include <string>

#include "job/json.h"
#include "store/sqlite_connection.h"
#include "store/sqlite_jobs.h"
#include "store/sqlite_schema.h"
#include "store/store_test_base.h"

namespace store {
namespace {

using base::ErrorKind;
using job::Status;
using std::string_literals::operator""s;

// A database as release 0.1.0 created it.
constexpr const char* kRelease010 = R"sql(
  PRAGMA journal_mode = WAL;
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
  INSERT INTO counters VALUES ('token', 5);
  PRAGMA user_version = 1;

  INSERT INTO jobs VALUES (1, 'done', 2, 1000000000000000, 1000000000000001, 1000000000000002,
    1, 0, 0, 'w', '');
  INSERT INTO submissions VALUES (1, '{"v":1,"language":"go","code":"c","stdin":"","timeout":0}');
  INSERT INTO results VALUES (1, '{"v":1,"verdict":"ok","stdout":"out","stderr":"",
    "stdout_truncated":false,"stderr_truncated":false,"exit_code":0,"wall_time":1,"cpu_time":1,
    "memory_peak":1,"processes_peak":1,"message":"m","queue_time":1,"start_time":1}');
  INSERT INTO jobs VALUES (2, 'runs', 1, 1000000000000003, 1000000000000004, 0, 1, 5,
    1000060000000000, 'w', '');
  INSERT INTO submissions VALUES
    (2, '{"v":1,"language":"python","code":"print(1)","stdin":"","timeout":7}');
  INSERT INTO jobs VALUES (3, 'waits', 0, 1000000000000005, 0, 0, 0, 0, 0, '', '');
  INSERT INTO submissions VALUES
    (3, '{"v":1,"language":"python","code":"print(2)","stdin":"in","timeout":0}');
  INSERT INTO jobs VALUES (4, 'damaged', 0, 1000000000000006, 0, 0, 0, 0, 0, '', '');
  INSERT INTO submissions VALUES (4, '{"v":1,');
)sql";

class SqliteStore : public StoreTest {
 protected:
  // Runs statements on the closed store's file.
  void Execute(const std::string& sql) {
    store_.reset();
    std::fclose(std::fopen(disk().path().c_str(), "ae"));  // Open wants it to exist
    auto db = Connection::Open(disk().path());
    ASSERT_TRUE(db.has_value()) << db.error().message;
    const auto done = (*db)->Execute(sql.c_str());
    ASSERT_TRUE(done.has_value()) << done.error().message;
  }

  int64_t Read(std::string_view sql) {
    auto db = Connection::Open(disk().path());
    EXPECT_TRUE(db.has_value());
    Statement read = (*db)->Use(sql);
    EXPECT_TRUE(read.Next());
    return read.Int(0);
  }

  // Removes the database.
  void StartOver() {
    store_.reset();
    for (const char* suffix : {"", "-wal", "-shm"}) {
      std::filesystem::remove(disk().path() + suffix);
    }
  }

  const SqliteKind& disk() const { return dynamic_cast<const SqliteKind&>(*kind_); }
};

INSTANTIATE_TEST_SUITE_P(Sqlite, SqliteStore, testing::Values("sqlite"),
                         [](const auto& test) { return test.param; });

TEST_P(SqliteStore, JobsSurviveReopening) {
  for (const char* id : {"done", "running", "queued", "last"}) {
    ASSERT_TRUE(Submit(id).has_value());
  }
  const auto leases = Lease(2);
  ASSERT_EQ(leases.size(), 2U);
  ASSERT_TRUE(Finish(leases[0], Completed("\xFF\0"s)).has_value());
  Open();
  ExpectStats(2, 1);
  EXPECT_EQ(Get("done")->result->stdout_data, "\xFF\0"s);
  EXPECT_EQ(Get("running")->status, Status::kRunning);
  EXPECT_EQ(Recover(), 1);
  ExpectStats(3, 0);
  const auto again = Lease(9);
  ASSERT_EQ(again.size(), 3U);
  EXPECT_EQ(again[0].job.id, "running");
  EXPECT_EQ(again[0].job.attempts, 2);
  EXPECT_GT(again[0].token, leases[1].token);
  EXPECT_EQ(again[1].job.id, "queued");
  EXPECT_EQ(again[2].job.id, "last");
  EXPECT_FAILS(Finish(leases[1]), ErrorKind::kConflict);
}

TEST_P(SqliteStore, TheBoundHoldsAfterReopening) {
  options_.max_queued = 1;
  Open();
  ASSERT_TRUE(Submit("a").has_value());
  Open();
  EXPECT_FAILS(Submit("b"), ErrorKind::kExhausted);
}

TEST_P(SqliteStore, WorkHandedOverBeforeTheEndIsDone) {
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease lease = LeaseOne();
  store_->Finish("a", lease.token, Completed("late"), [](auto) {});
  Open();
  EXPECT_EQ(Get("a")->result->stdout_data, "late");
}

TEST_P(SqliteStore, ASecondOpenIsAConflict) {
  EXPECT_FAILS(TryOpen(), ErrorKind::kConflict);
  store_.reset();
  EXPECT_TRUE(TryOpen().has_value());
}

// Another program holds the database: as long as SQLite has patience, then the write fails.
TEST_P(SqliteStore, ReadsDoNotWaitForWritesAndStatsTellOfOneThatFailed) {
  ASSERT_TRUE(Submit("first").has_value());
  auto other = Connection::Open(disk().path());
  ASSERT_TRUE(other.has_value());
  ASSERT_TRUE((*other)->Execute("BEGIN IMMEDIATE").has_value());
  std::optional<base::Result<void>> submitted;
  store_->Submit(MakeJob("second"), job::Durability::kAtOnce,
                 [&](const auto& result) { submitted = result; });
  EXPECT_EQ(Get("first")->status, Status::kQueued);
  EXPECT_EQ(List({})->jobs.size(), 1U);
  ExpectStats(1, 0);
  EXPECT_FALSE(submitted.has_value());

  Sync(ErrorKind::kUnavailable);
  ASSERT_TRUE(submitted.has_value());
  EXPECT_EQ(submitted->error().kind, ErrorKind::kUnavailable);
  const auto stats = Call<job::StoreStats>([&](auto done) { store_->Stats(done); });
  ASSERT_FALSE(stats.has_value());
  EXPECT_EQ(stats.error().kind, ErrorKind::kUnavailable);
  EXPECT_EQ(Get("first")->status, Status::kQueued);

  ASSERT_TRUE((*other)->Execute("ROLLBACK").has_value());
  ASSERT_TRUE(Submit("second").has_value());
  ExpectStats(2, 0);
}

TEST_P(SqliteStore, FilesArePrivate) {
  ASSERT_TRUE(Submit("a").has_value());
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(disk().folder())) {
    struct stat st {};

    ASSERT_EQ(::stat(entry.path().c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600U) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 3);
}

// A commit that lengthens the file costs more.
TEST_P(SqliteStore, TheJournalHasItsLengthFromTheStart) {
  const auto length = [this] { return std::filesystem::file_size(disk().path() + "-wal"); };
  const auto at_start = length();
  EXPECT_GE(at_start, 1000 * (4096 + 24)) << "SQLite starts it anew after so many pages";
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(Submit("j" + std::to_string(i)).has_value());
  }
  EXPECT_EQ(length(), at_start);
  store_.reset();
  Open();
  EXPECT_EQ(length(), at_start);
  ExpectStats(20, 0);
}

TEST_P(SqliteStore, OpenNamesWhatItCannotUse) {
  const auto no_folder = OpenSqliteStore(disk().folder() + "/none/jobs.db", options_, loop_.post());
  ASSERT_FALSE(no_folder.has_value());
  EXPECT_NE(no_folder.error().message.find("/none/jobs.db"), std::string::npos);

  const std::string not_a_database = disk().folder() + "/text.db";
  {
    std::FILE* f = std::fopen(not_a_database.c_str(), "we");
    std::fputs(std::string(5000, 'x').c_str(), f);
    std::fclose(f);
  }
  const auto bad = OpenSqliteStore(not_a_database, options_, loop_.post());
  ASSERT_FALSE(bad.has_value());
  EXPECT_NE(bad.error().message.find("text.db"), std::string::npos) << bad.error().message;
}

TEST_P(SqliteStore, ADatabaseOfTheFirstReleaseIsBroughtUpToDate) {
  StartOver();
  Execute(kRelease010);
  now_ = 1'000'001 * base::kSecond;
  Open();
  EXPECT_EQ(Read("PRAGMA user_version"), kSchemaVersion);
  ExpectStats(2, 1);
  const auto done = Get("done");
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->result->stdout_data, "out");
  EXPECT_EQ(done->submission.language, "go");
  job::ListQuery go;
  go.language = "go";
  const auto page = List(go);
  ASSERT_TRUE(page.has_value());
  ASSERT_EQ(page->jobs.size(), 1U);
  EXPECT_EQ(page->jobs[0].id, "done");
  job::Lease held;
  held.job.id = "runs";
  held.token = 5;
  EXPECT_TRUE(Renew(held).has_value()) << "a lease is kept";
  EXPECT_EQ(Recover(), 1);
  const auto leases = Lease(9);
  ASSERT_EQ(leases.size(), 2U);
  EXPECT_EQ(leases[0].job.id, "runs");
  EXPECT_EQ(leases[0].job.submission.timeout, 7);
  EXPECT_EQ(leases[0].job.submission.priority, 0);
  EXPECT_GT(leases[0].token, 5U);
  EXPECT_EQ(leases[1].job.id, "waits");
  EXPECT_EQ(leases[1].job.submission.stdin_data, "in");
  EXPECT_EQ(Get("damaged")->status, Status::kFailed);
  ASSERT_TRUE(Finish(leases[1]).has_value());
  Open();
  EXPECT_EQ(Get("waits")->status, Status::kCompleted);
}

TEST_P(SqliteStore, AnInterruptedUpdateOfTheDatabaseLeavesItAsItWas) {
  StartOver();
  Execute(kRelease010);
  Execute("CREATE TABLE turns (in_the_way INTEGER)");
  const auto opened = TryOpen();
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(Read("PRAGMA user_version"), 1);
  EXPECT_EQ(Read("SELECT COUNT(*) FROM pragma_table_info('jobs') WHERE name = 'tenant'"), 0);
  Execute("DROP TABLE turns");
  Open();
  ExpectStats(2, 1);
}

TEST_P(SqliteStore, ANewerDatabaseIsRefusedAndLeftAlone) {
  Execute("PRAGMA user_version = 99");
  const auto opened = TryOpen();
  ASSERT_FALSE(opened.has_value());
  EXPECT_NE(opened.error().message.find("version 99"), std::string::npos);
  EXPECT_EQ(Read("PRAGMA user_version"), 99);
}

TEST_P(SqliteStore, AnUnknownStatusIsAClearError) {
  ASSERT_TRUE(Submit("a").has_value());
  Execute("UPDATE jobs SET status = 9");
  Open();
  const auto got = Get("a");
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().kind, ErrorKind::kInternal);
  EXPECT_NE(got.error().message.find("unknown status 9"), std::string::npos);
  EXPECT_FAILS(List({}), ErrorKind::kInternal);
}

TEST_P(SqliteStore, WhatANewerProgramAddedToARecordIsKept) {
  ASSERT_TRUE(Submit("a").has_value());
  Execute(R"sql(
    ALTER TABLE jobs ADD COLUMN later TEXT;
    UPDATE jobs SET later = 'kept';
    UPDATE submissions SET submission =
      '{"v":1,"language":"python","code":"","stdin":"","timeout":0,"later":{"a":[1]}}';
  )sql");
  Open();
  const job::Lease lease = LeaseOne();
  ASSERT_TRUE(Release(lease).has_value());
  const job::Lease again = LeaseOne();
  ASSERT_TRUE(Renew(again).has_value());
  ASSERT_TRUE(Finish(again).has_value());
  ASSERT_TRUE(Cancel("a").has_value());
  store_.reset();
  EXPECT_EQ(Read("SELECT later = 'kept' FROM jobs"), 1);
  EXPECT_EQ(Read("SELECT json_extract(submission, '$.later.a[0]') FROM submissions"), 1);
}

TEST_P(SqliteStore, TheOrderOfTurnsSurvivesReopening) {
  for (const char* id : {"a1", "a2", "a3", "b1", "b2", "c1"}) {
    job::Job j = MakeJob(id);
    j.tenant = std::string(1, *id);
    ASSERT_TRUE(Submit(j).has_value());
  }
  EXPECT_EQ(LeaseIds(2), (std::vector<std::string>{"a1", "b1"}));
  Open();
  EXPECT_EQ(LeaseIds(9), (std::vector<std::string>{"c1", "a2", "b2", "a3"}));
}

// The cost of these must not grow with the queue: an index leads to the first row.
TEST_P(SqliteStore, TheQueriesOfTheQueueUseTheirIndexes) {
  store_.reset();
  auto db = Connection::Open(disk().path());
  ASSERT_TRUE(db.has_value());
  std::list<std::string> kept;  // Use wants texts that stay
  const auto plan = [&](std::string_view query) {
    kept.push_back("EXPLAIN QUERY PLAN " + std::string(query));
    Statement explain = (*db)->Use(kept.back());
    std::string text;
    while (explain.Next()) {
      text += std::string(explain.Text(3)) + "\n";
    }
    EXPECT_TRUE(explain.status().has_value()) << explain.status().error().message;
    return text;
  };
  const std::string next_job = plan(kNextJob);
  EXPECT_NE(next_job.find("SEARCH jobs USING INDEX jobs_queued (tenant=?)"), std::string::npos)
      << next_job;
  EXPECT_EQ(next_job.find("TEMP B-TREE"), std::string::npos) << next_job;
  EXPECT_EQ(next_job.find("SCAN"), std::string::npos) << next_job;
  EXPECT_EQ(plan(kNextTurn), "SCAN turns\n");  // in the order of its key, up to the first row
  for (const std::string_view query : {kTakeTurns, kDropIdle}) {
    const std::string text = plan(query);
    EXPECT_NE(text.find("jobs_queued (tenant=?)"), std::string::npos) << text;
    // Those that run are few.
    const size_t scan = text.find("SCAN jobs");
    EXPECT_TRUE(scan == std::string::npos ||
                text.substr(scan).starts_with("SCAN jobs USING INDEX jobs_running"))
        << text;
  }
  const std::string list = plan(kList);
  EXPECT_NE(list.find("SEARCH jobs USING INDEX jobs_created"), std::string::npos) << list;
  EXPECT_EQ(list.find("TEMP B-TREE"), std::string::npos) << list;
  EXPECT_NE(plan(kListRunning).find("USING INDEX jobs_running"), std::string::npos);
}

TEST_P(SqliteStore, AHundredThousandJobsDelayAnothersFirstByOneTurn) {
  store_.reset();
  options_.max_queued = 1'000'000;
  const auto jobs = SqliteJobs::Open(disk().path(), options_, [this] { return now_.load(); });
  ASSERT_TRUE(jobs.has_value());
  ASSERT_TRUE((*jobs)->Begin(true).has_value());
  for (int i = 0; i < 100'000; ++i) {
    job::Job j = MakeJob("busy" + std::to_string(i));
    j.tenant = "busy";
    ASSERT_TRUE((*jobs)->Submit(j, job::Durability::kAtOnce).has_value());
  }
  ASSERT_EQ((*jobs)->LeaseJobs("w", 4)->size(), 4U);
  job::Job j = MakeJob("late");
  j.tenant = "quiet";
  ASSERT_TRUE((*jobs)->Submit(j, job::Durability::kAtOnce).has_value());
  const auto leases = (*jobs)->LeaseJobs("w", 2);
  ASSERT_EQ(leases->size(), 2U);
  EXPECT_TRUE((*leases)[0].job.id == "late" || (*leases)[1].job.id == "late");
  (*jobs)->Rollback();
}

}  // namespace
}  // namespace store
