// What the SQLite store promises beyond the contract of all stores.
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "store/store_test_base.h"

namespace store {
namespace {

using base::ErrorKind;
using job::Status;
using std::string_literals::operator""s;

class SqliteStore : public StoreTest {
 protected:
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

}  // namespace
}  // namespace store
