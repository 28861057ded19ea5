// What every store promises of the bounds that a tenant's jobs carry, and of rates.
#include <string>

#include "job/key_store.h"
#include "store/store_test_base.h"

namespace store {
namespace {

using base::ErrorKind;
using job::Status;

using Ids = std::vector<std::string>;

class QuotaContract : public StoreTest {
 protected:
  job::Job JobOf(const std::string& tenant, const std::string& id, int64_t max_running,
                 int64_t max_queued = 0) {
    job::Job j = MakeJob(id);
    j.tenant = tenant;
    j.max_running = max_running;
    j.max_queued = max_queued;
    return j;
  }

  void SubmitFor(const std::string& tenant, const std::string& id, int64_t max_running) {
    ASSERT_TRUE(Submit(JobOf(tenant, id, max_running)).has_value());
  }

  job::RateState Take(job::Store& store, const std::string& name, const job::Rate& rate,
                      int64_t wanted) {
    const auto state =
        Call<job::RateState>([&](auto done) { store.keys()->TakeRate(name, rate, wanted, done); });
    EXPECT_TRUE(state.has_value());
    return state ? *state : job::RateState{-1, -1, -1, -1};
  }
};

INSTANTIATE_TEST_SUITE_P(All, QuotaContract, testing::ValuesIn(StoreKinds()),
                         [](const auto& kind) { return kind.param; });

TEST_P(QuotaContract, NoMoreOfATenantRunThanMay) {
  for (const char* id : {"a1", "a2", "a3"}) {
    SubmitFor("a", id, 2);
  }
  SubmitFor("b", "b1", 0);
  SubmitFor("b", "b2", 0);
  SubmitFor("b", "b3", 0);
  EXPECT_EQ(LeaseIds(9), (Ids{"a1", "b1", "a2", "b2", "b3"}));
  EXPECT_EQ(LeaseIds(9), Ids());
  ExpectStats(1, 5);
}

TEST_P(QuotaContract, TheNextRunsWhenOneEnds) {
  for (const char* id : {"a1", "a2", "a3"}) {
    SubmitFor("a", id, 1);
  }
  const job::Lease first = LeaseOne();
  int told = 0;
  store_->OnQueued([&] { ++told; });
  EXPECT_EQ(LeaseIds(1), Ids());
  ASSERT_TRUE(Finish(first).has_value());
  EXPECT_TRUE(loop_.RunUntil([&] { return told > 0; }));
  const job::Lease second = LeaseOne();
  EXPECT_EQ(second.job.id, "a2");
  EXPECT_EQ(LeaseIds(1), Ids());
  ASSERT_TRUE(Release(second).has_value());
  EXPECT_EQ(LeaseIds(2), Ids{"a2"});
}

TEST_P(QuotaContract, ALostWorkersJobDoesNotHoldTheTenantForEver) {
  options_.max_attempts = 1;
  Open();
  SubmitFor("a", "a1", 1);
  SubmitFor("a", "a2", 1);
  ASSERT_EQ(LeaseIds(2), Ids{"a1"});
  now_ += options_.lease_time;
  Sweep();
  EXPECT_EQ(Get("a1")->status, Status::kFailed);
  EXPECT_EQ(LeaseIds(2), Ids{"a2"});
}

TEST_P(QuotaContract, ACancelledJobsPlaceIsFreeOnceItHasEnded) {
  SubmitFor("a", "a1", 1);
  SubmitFor("a", "a2", 1);
  SubmitFor("a", "a3", 1);
  const job::Lease lease = LeaseOne();
  ASSERT_TRUE(Cancel("a1").has_value());
  ASSERT_TRUE(Cancel("a2").has_value());
  EXPECT_EQ(LeaseIds(1), Ids());
  ASSERT_TRUE(Release(lease).has_value());
  EXPECT_EQ(Get("a1")->status, Status::kCancelled);
  EXPECT_EQ(LeaseIds(2), Ids{"a3"});
}

TEST_P(QuotaContract, BoundsAreStillThereAfterARestart) {
  if (!kind_->durable()) {
    return;
  }
  for (const char* id : {"a1", "a2", "a3"}) {
    SubmitFor("a", id, 2);
  }
  ASSERT_EQ(LeaseIds(3), (Ids{"a1", "a2"}));
  Open();
  if (!kind_->shared()) {
    EXPECT_EQ(Recover(), 2);
    EXPECT_EQ(LeaseIds(3), (Ids{"a1", "a2"}));
  } else {
    EXPECT_EQ(LeaseIds(3), Ids());
  }
}

TEST_P(QuotaContract, AFullTenantIsRefusedAndOthersAreNot) {
  ASSERT_TRUE(Submit(JobOf("a", "a1", 0, 2)).has_value());
  ASSERT_TRUE(Submit(JobOf("a", "a2", 0, 2)).has_value());
  EXPECT_FAILS(Submit(JobOf("a", "a3", 0, 2)), ErrorKind::kExhausted);
  EXPECT_TRUE(Submit(JobOf("b", "b1", 0, 2)).has_value());
  ASSERT_EQ(LeaseIds(1), Ids{"a1"});
  EXPECT_TRUE(Submit(JobOf("a", "a3", 0, 2)).has_value());
  EXPECT_FAILS(Get("a4"), ErrorKind::kNotFound);
}

TEST_P(QuotaContract, ARateIsOneForAllNodes) {
  const job::Rate rate{3, base::kMinute};
  EXPECT_EQ(Take(*store_, "a", rate, 2).granted, 2);
  const job::RateState second = Take(other(), "a", rate, 2);
  EXPECT_EQ(second.granted, 1);
  EXPECT_EQ(second.remaining, 0);
  EXPECT_GT(second.retry, 0);
  EXPECT_LE(second.retry, base::kMinute / 3);
  EXPECT_LE(second.reset, base::kMinute);
  const job::RateState third = Take(*store_, "a", rate, 1);
  EXPECT_EQ(third.granted, 0);
  EXPECT_EQ(Take(*store_, "b", rate, 1).granted, 1);
}

TEST_P(QuotaContract, BeginHoldsTheBoundOfRunningJobs) {
  const auto bounded = [this](const std::string& id) {
    job::Job job = MakeJob(id);
    job.tenant = "t";
    job.max_running = 1;
    return job;
  };
  const auto first = Begin(bounded("a"));
  ASSERT_TRUE(first.has_value());
  EXPECT_FAILS(Begin(bounded("b")), base::ErrorKind::kExhausted);
  ASSERT_TRUE(Submit(bounded("queued")).has_value());
  EXPECT_TRUE(Lease(9).empty());
  ASSERT_TRUE(Finish(*first).has_value());
  const auto leases = Lease(9);
  ASSERT_EQ(leases.size(), 1U);
  EXPECT_EQ(leases[0].job.id, "queued");
  EXPECT_FAILS(Begin(bounded("b")), base::ErrorKind::kExhausted);
  ASSERT_TRUE(Finish(leases[0]).has_value());
  EXPECT_TRUE(Begin(bounded("b")).has_value());
}

}  // namespace
}  // namespace store
