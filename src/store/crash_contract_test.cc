// What every store promises when a worker or the store's process dies between any two steps:
// exactly one result, and nothing that was acknowledged is lost.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>

#include "store/store_test_base.h"

namespace store {
namespace {

using base::ErrorKind;
using job::Status;

class CrashContract : public StoreTest {
 protected:
  // The worker is dead, and, where data outlives the process, so is the process with its store.
  void Crash() {
    if (kind_->durable()) {
      Open();
    }
    now_ += options_.lease_time;
    Sweep();
  }

  job::Store& worker() { return *store_; }

  // The job can be finished once more, and once only; answers how often it was leased in all.
  int FinishElsewhere(const std::string& id) {
    const auto leases = LeaseFrom(other(), "survivor", 9);
    EXPECT_EQ(leases.size(), 1U);
    if (leases.size() != 1) {
      return 0;
    }
    EXPECT_EQ(leases[0].job.id, id);
    EXPECT_EQ(leases[0].job.submission.code, "print('" + id + "')");
    EXPECT_TRUE(Finish(leases[0], Completed("survivor's")).has_value());
    return leases[0].job.attempts;
  }

  void ExpectOneResult(const std::string& id, const std::string& out) {
    const auto got = Get(id);
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->status, Status::kCompleted);
    ASSERT_TRUE(got->result.has_value());
    EXPECT_EQ(got->result->stdout_data, out);
    EXPECT_TRUE(Lease(9).empty()) << "finished jobs must not run again";
    ExpectStats(0, 0);
  }
};

INSTANTIATE_TEST_SUITE_P(All, CrashContract, testing::ValuesIn(StoreKinds()),
                         [](const auto& test) { return test.param; });

TEST_P(CrashContract, AfterSubmit) {
  ASSERT_TRUE(Submit("a").has_value());
  Crash();
  if (!kind_->durable()) {
    ExpectStats(1, 0);
  }
  EXPECT_EQ(FinishElsewhere("a"), 1);
  ExpectOneResult("a", "survivor's");
}

TEST_P(CrashContract, AfterLease) {
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease lost = LeaseOne();
  Crash();
  EXPECT_EQ(FinishElsewhere("a"), 2);
  EXPECT_FAILS(Finish(lost, Completed("late")), ErrorKind::kConflict);
  ExpectOneResult("a", "survivor's");
}

TEST_P(CrashContract, AfterRenew) {
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease lost = LeaseOne();
  now_ += options_.lease_time - base::kSecond;
  ASSERT_TRUE(Renew(lost).has_value());
  now_ += options_.lease_time - base::kSecond;
  Sweep();
  EXPECT_TRUE(Lease(1).empty()) << "a renewed lease holds";
  Crash();
  EXPECT_FAILS(Renew(lost), ErrorKind::kConflict);
  EXPECT_EQ(FinishElsewhere("a"), 2);
  ExpectOneResult("a", "survivor's");
}

TEST_P(CrashContract, AfterPublish) {
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease lost = LeaseOne();
  worker().Publish("a", {lost.token, sandbox::Stream::kStdout, 0, "half of it"});
  Crash();
  worker().Publish("a", {lost.token, sandbox::Stream::kStdout, 10, " and more"});
  EXPECT_EQ(FinishElsewhere("a"), 2);
  ExpectOneResult("a", "survivor's");
}

TEST_P(CrashContract, AfterCancelOfARunningJob) {
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease lost = LeaseOne();
  ASSERT_TRUE(Cancel("a").has_value());
  Crash();
  EXPECT_TRUE(Lease(9).empty());
  EXPECT_EQ(Get("a")->status, Status::kCancelled);
  EXPECT_FAILS(Finish(lost, Completed("late")), ErrorKind::kConflict);
  EXPECT_EQ(Get("a")->status, Status::kCancelled);
}

TEST_P(CrashContract, AfterCancelOfAQueuedJob) {
  ASSERT_TRUE(Submit("a").has_value());
  ASSERT_TRUE(Cancel("a").has_value());
  Crash();
  if (kind_->durable()) {
    EXPECT_EQ(Get("a")->status, Status::kCancelled);
  }
  EXPECT_TRUE(Lease(9).empty());
}

TEST_P(CrashContract, AfterRelease) {
  ASSERT_TRUE(Submit("a").has_value());
  ASSERT_TRUE(Release(LeaseOne()).has_value());
  Crash();
  EXPECT_EQ(FinishElsewhere("a"), 1);
  ExpectOneResult("a", "survivor's");
}

TEST_P(CrashContract, AfterFinish) {
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease lease = LeaseOne();
  ASSERT_TRUE(Finish(lease, Completed("first")).has_value());
  Crash();
  EXPECT_FAILS(Finish(lease, Completed("again")), ErrorKind::kConflict);
  ExpectOneResult("a", "first");
}

TEST_P(CrashContract, AWorkerThatDiesEachTimeEndsTheJobAsFailed) {
  options_.max_attempts = 3;
  Open();
  ASSERT_TRUE(Submit("a").has_value());
  for (int attempt = 1; attempt <= 3; ++attempt) {
    EXPECT_EQ(LeaseOne().job.attempts, attempt);
    Crash();
  }
  EXPECT_TRUE(Lease(1).empty());
  EXPECT_EQ(Get("a")->status, Status::kFailed);
}

// The process dies while the store works: the step happened, or it did not, and both are whole.
TEST_P(CrashContract, WithinAnyStep) {
  if (!kind_->durable()) {
    return;  // nothing of it is left to look at
  }
  for (const char* step : {"submit", "lease", "renew", "release", "cancel", "finish"}) {
    const std::string id = step;
    const bool submits = id == "submit";
    if (!submits) {
      ASSERT_TRUE(Submit(id).has_value());
    }
    job::Lease lease;
    if (id == "renew" || id == "release" || id == "finish") {
      lease = LeaseOne();
    }
    const auto dropped = [](auto) { ADD_FAILURE() << "answered after the crash"; };
    if (submits) {
      store_->Submit(MakeJob(id), job::Durability::kAtOnce, dropped);
    } else if (id == "lease") {
      store_->LeaseJobs("w", 1, dropped);
    } else if (id == "renew") {
      store_->Renew(id, lease.token, dropped);
    } else if (id == "release") {
      store_->Release(id, lease.token, dropped);
    } else if (id == "cancel") {
      store_->Cancel(id, dropped);
    } else {
      store_->Finish(id, lease.token, Completed("in time"), dropped);
    }
    Crash();
    const auto got = Get(id);
    if (submits && !got) {
      EXPECT_FAILS(Get(id), ErrorKind::kNotFound);
      continue;
    }
    ASSERT_TRUE(got.has_value()) << step;
    if (got->status == Status::kQueued) {
      EXPECT_GE(FinishElsewhere(id), 1) << step;
      ExpectOneResult(id, "survivor's");
    } else if (id == "finish") {
      ExpectOneResult(id, "in time");
    } else {
      EXPECT_EQ(got->status, Status::kCancelled) << step;
      EXPECT_EQ(id, "cancel");
      ExpectStats(0, 0);
    }
  }
}

// Two workers, one of which is late again and again, and jobs of several tenants.
TEST_P(CrashContract, CompetingWorkersGiveEachJobOneResult) {
  options_.max_attempts = 1000;
  Open();
  constexpr int kJobs = 200;
  for (int i = 0; i < kJobs; ++i) {
    job::Job j = MakeJob(std::to_string(i));
    j.tenant = "t" + std::to_string(i % 3);
    store_->Submit(j, job::Durability::kAtOnce,
                   [](auto result) { EXPECT_TRUE(result.has_value()); });
  }
  Sync();
  ExpectStats(kJobs, 0);
  std::mt19937 random(7);
  std::map<std::string, std::string> results;  // of each job, who finished it
  std::vector<job::Lease> held;
  std::vector<job::Lease> late;
  int turn = 0;
  while (results.size() < kJobs) {
    const std::string worker = turn++ % 2 == 0 ? "one" : "two";
    job::Store& store = worker == "one" ? *store_ : other();
    for (job::Lease& lease : LeaseFrom(store, worker, static_cast<int>(random() % 5))) {
      held.push_back(std::move(lease));
    }
    std::shuffle(held.begin(), held.end(), random);
    for (size_t n = random() % 5; n > 0 && !held.empty(); --n) {
      const job::Lease lease = held.back();
      held.pop_back();
      const std::string mark = worker + std::to_string(lease.token);
      if (Finish(lease, Completed(mark)).has_value()) {
        EXPECT_TRUE(results.emplace(lease.job.id, mark).second) << "a second result";
      }
    }
    if (random() % 10 == 0) {  // the workers hang for longer than their leases
      now_ += options_.lease_time;
      late.insert(late.end(), held.begin(), held.end());
      held.clear();
      Sweep();
    }
    while (late.size() > 20) {  // and come back
      const job::Lease lease = late.back();
      late.pop_back();
      const std::string mark = "late" + std::to_string(lease.token);
      const auto finished = Finish(lease, Completed(mark));
      if (finished.has_value()) {  // a store may take it as long as nobody else has leased the job
        EXPECT_TRUE(results.emplace(lease.job.id, mark).second) << "a second result";
      } else {
        EXPECT_EQ(finished.error().kind, ErrorKind::kConflict);
      }
    }
    ASSERT_LT(turn, 10'000);
  }
  for (const auto& [id, mark] : results) {
    const auto got = Get(id);
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->result->stdout_data, mark);
  }
  EXPECT_TRUE(Lease(9).empty());
  ExpectStats(0, 0);
}

}  // namespace
}  // namespace store
