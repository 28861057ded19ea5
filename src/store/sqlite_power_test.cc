// What of the SQLite store survives a crash of the machine: the files as they were synced last.
#include <sqlite3.h>

#include <filesystem>
#include <map>
#include <mutex>
#include <string>

#include "store/store_test_base.h"

namespace store {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using job::Durability;
using job::Status;

// SQLite's way to the disk, with a copy of each file of `folder` as of its last sync.
class Disk {
 public:
  explicit Disk(std::string folder) : folder_(std::move(folder)) {
    std::lock_guard<std::mutex> guard(mutex_);
    current_ = this;
    real_ = sqlite3_vfs_find(nullptr);
    vfs_ = *real_;
    vfs_.zName = "synced";
    vfs_.xOpen = Open;
    vfs_.xDelete = Delete;
    sqlite3_vfs_register(&vfs_, 1);
  }

  ~Disk() {
    sqlite3_vfs_unregister(&vfs_);
    sqlite3_vfs_register(real_, 1);
    std::lock_guard<std::mutex> guard(mutex_);
    current_ = nullptr;
    files_.clear();
  }

  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  int syncs() const {
    std::lock_guard<std::mutex> guard(mutex_);
    return syncs_;
  }

  // From here on the copies stay as they are.
  void PowerFailure() {
    std::lock_guard<std::mutex> guard(mutex_);
    down_ = true;
  }

  // REQUIRES: nothing has the files open. They are as they were when the power failed.
  void Restore() {
    std::lock_guard<std::mutex> guard(mutex_);
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (entry.path().extension() != ".synced" && entry.path().extension() != ".lock") {
        fs::remove(entry.path());
      }
    }
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (entry.path().extension() == ".synced") {
        fs::copy_file(entry.path(), entry.path().parent_path() / entry.path().stem());
      }
    }
    down_ = false;
  }

 private:
  struct File {
    std::string path;
    const sqlite3_io_methods* real = nullptr;
    sqlite3_io_methods methods{};
  };

  static int Open(sqlite3_vfs* /*vfs*/, const char* name, sqlite3_file* file, int flags,
                  int* out_flags) {
    const int code = current_->real_->xOpen(current_->real_, name, file, flags, out_flags);
    if (code == SQLITE_OK && name != nullptr) {
      std::lock_guard<std::mutex> guard(mutex_);
      File& entry = files_[file];
      entry.path = name;
      entry.real = file->pMethods;
      entry.methods = *file->pMethods;
      entry.methods.xSync = Sync;
      file->pMethods = &entry.methods;
    }
    return code;
  }

  static int Delete(sqlite3_vfs* /*vfs*/, const char* name, int sync_folder) {
    std::lock_guard<std::mutex> guard(mutex_);
    if (!current_->down_) {
      fs::remove(std::string(name) + ".synced");
    }
    return current_->real_->xDelete(current_->real_, name, sync_folder);
  }

  static int Sync(sqlite3_file* file, int flags) {
    std::lock_guard<std::mutex> guard(mutex_);
    const File& entry = files_.at(file);
    ++current_->syncs_;
    if (!current_->down_) {
      fs::copy_file(entry.path, entry.path + ".synced", fs::copy_options::overwrite_existing);
    }
    return entry.real->xSync(file, flags);
  }

  // SQLite hands its callbacks nothing of ours.
  static std::mutex mutex_;
  static Disk* current_;
  static std::map<sqlite3_file*, File> files_;

  const std::string folder_;
  sqlite3_vfs* real_ = nullptr;
  sqlite3_vfs vfs_{};
  int syncs_ = 0;
  bool down_ = false;
};

std::mutex Disk::mutex_;
Disk* Disk::current_ = nullptr;
std::map<sqlite3_file*, Disk::File> Disk::files_;

class SqlitePower : public StoreTest {
 protected:
  void SetUp() override {
    disk_ = std::make_unique<Disk>(dynamic_cast<const SqliteKind&>(*kind_).folder());
    Open();
    // The schema is in the database, as on any day but the first.
    Open();
  }

  void TearDown() override {
    store_.reset();
    disk_.reset();
  }

  void PowerFailure() {
    disk_->PowerFailure();
    store_.reset();
    disk_->Restore();
    Open();
    Recover();
  }

  int SyncsOf(const std::function<void()>& calls) {
    const int before = disk_->syncs();
    calls();
    return disk_->syncs() - before;
  }

  std::unique_ptr<Disk> disk_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, SqlitePower, testing::Values("sqlite"),
                         [](const auto& test) { return test.param; });

TEST_P(SqlitePower, WhatIsAcknowledgedSurvives) {
  ASSERT_TRUE(Submit(MakeJob("a"), Durability::kAtOnce).has_value());
  PowerFailure();
  ASSERT_TRUE(Get("a").has_value());
  ASSERT_TRUE(Finish(LeaseOne(), Completed("out")).has_value());
  PowerFailure();
  ASSERT_TRUE(Get("a").has_value());
  EXPECT_EQ(Get("a")->result->stdout_data, "out");
  EXPECT_TRUE(Lease(9).empty());
}

TEST_P(SqlitePower, AJobForLaterIsDurableWithTheNextThatIs) {
  ASSERT_TRUE(Submit(MakeJob("lost"), Durability::kLater).has_value());
  PowerFailure();
  EXPECT_FAILS(Get("lost"), ErrorKind::kNotFound);

  ASSERT_TRUE(Submit(MakeJob("a"), Durability::kLater).has_value());
  ASSERT_TRUE(Submit(MakeJob("b"), Durability::kAtOnce).has_value());
  PowerFailure();
  EXPECT_TRUE(Get("a").has_value());
  EXPECT_TRUE(Get("b").has_value());
}

TEST_P(SqlitePower, SyncMakesAJobForLaterDurable) {
  ASSERT_TRUE(Submit(MakeJob("a"), Durability::kLater).has_value());
  ASSERT_TRUE(Call<void>([&](auto done) { store_->Sync(done); }).has_value());
  PowerFailure();
  EXPECT_TRUE(Get("a").has_value());
}

TEST_P(SqlitePower, AnOutcomeMakesAJobForLaterDurableAndIsTheOneSync) {
  ASSERT_TRUE(Submit("first").has_value());  // a new journal's head takes a sync of its own
  ASSERT_TRUE(Finish(LeaseOne()).has_value());
  const int syncs = SyncsOf([&] {
    ASSERT_TRUE(Submit(MakeJob("a"), Durability::kLater).has_value());
    const job::Lease lease = LeaseOne();
    ASSERT_TRUE(Finish(lease, Completed("out")).has_value());
    ASSERT_TRUE(Get("a").has_value());
  });
  EXPECT_EQ(syncs, 1);
  PowerFailure();
  ASSERT_TRUE(Get("a").has_value());
  EXPECT_EQ(Get("a")->result->stdout_data, "out");
}

// Else a program that crashes the machine would run again after each restart.
TEST_P(SqlitePower, AttemptsOfADurableJobAreCounted) {
  ASSERT_TRUE(Submit(MakeJob("later"), Durability::kLater).has_value());
  ASSERT_TRUE(Submit(MakeJob("at once"), Durability::kAtOnce).has_value());
  for (int attempt = 1; attempt <= options_.max_attempts; ++attempt) {
    const auto leases = Lease(9);
    ASSERT_EQ(leases.size(), 2U);
    EXPECT_EQ(leases[0].job.attempts, attempt);
    EXPECT_EQ(leases[1].job.attempts, attempt);
    PowerFailure();
  }
  EXPECT_EQ(Get("later")->status, Status::kFailed);
  EXPECT_EQ(Get("at once")->status, Status::kFailed);
}

TEST_P(SqlitePower, ALeaseIsDurableWhenOneOfItsJobsIs) {
  const auto lease = [&] { EXPECT_EQ(Lease(9).size(), 1U); };
  ASSERT_TRUE(Submit("first").has_value());
  lease();
  ASSERT_TRUE(Submit(MakeJob("a"), Durability::kLater).has_value());
  EXPECT_EQ(SyncsOf(lease), 0);
  ASSERT_TRUE(Submit(MakeJob("b"), Durability::kAtOnce).has_value());
  EXPECT_EQ(SyncsOf(lease), 1);
  // Cancelled, it is none of those that are queued any more.
  ASSERT_TRUE(Submit(MakeJob("c"), Durability::kLater).has_value());
  ASSERT_TRUE(Cancel("c").has_value());
  ASSERT_TRUE(Submit(MakeJob("d"), Durability::kAtOnce).has_value());
  EXPECT_EQ(SyncsOf(lease), 1);
}

}  // namespace
}  // namespace store
