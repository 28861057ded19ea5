// What every store promises of webhooks.
#include <algorithm>
#include <string>

#include "job/delivery_store.h"
#include "store/store_test_base.h"

namespace store {
namespace {

using Ids = std::vector<std::string>;

constexpr base::Nanos kHold = base::kMinute;

class DeliveryContract : public StoreTest {
 protected:
  void SubmitWithWebhook(const std::string& id) {
    job::Job j = MakeJob(id);
    j.submission.webhook = {"https://example.org/" + id, "the secret of it"};
    ASSERT_TRUE(Submit(j).has_value());
  }

  std::vector<job::Delivery> Take(job::Store& store, int max = 10) {
    auto taken = Call<std::vector<job::Delivery>>(
        [&](auto done) { store.deliveries()->TakeDue(max, kHold, done); });
    EXPECT_TRUE(taken.has_value());
    return taken ? std::move(*taken) : std::vector<job::Delivery>();
  }

  Ids TakeIds(int max = 10) {
    Ids ids;
    for (const job::Delivery& delivery : Take(*store_, max)) {
      ids.push_back(delivery.job.id);
    }
    return ids;
  }

  void Postpone(const std::string& id, int attempts, base::Nanos pause) {
    EXPECT_TRUE(Call<void>([&](auto done) {
                  store_->deliveries()->Postpone(id, attempts, pause, done);
                }).has_value());
  }

  void Settle(const std::string& id) {
    EXPECT_TRUE(Call<void>([&](auto done) { store_->deliveries()->Settle(id, done); }).has_value());
  }
};

INSTANTIATE_TEST_SUITE_P(All, DeliveryContract, testing::ValuesIn(StoreKinds()),
                         [](const auto& kind) { return kind.param; });

TEST_P(DeliveryContract, AJobIsDueOnceItHasEnded) {
  SubmitWithWebhook("a");
  ASSERT_TRUE(Submit("without").has_value());
  EXPECT_EQ(TakeIds(), Ids());
  const auto leases = Lease(2);
  ASSERT_EQ(leases.size(), 2U);
  EXPECT_EQ(TakeIds(), Ids());
  for (const job::Lease& lease : leases) {
    ASSERT_TRUE(Finish(lease, Completed("out of " + lease.job.id)).has_value());
  }
  const auto taken = Take(other());
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_EQ(taken[0].job.id, "a");
  EXPECT_EQ(taken[0].job.result->stdout_data, "out of a");
  EXPECT_EQ(taken[0].job.submission.webhook.url, "https://example.org/a");
  EXPECT_EQ(taken[0].job.submission.webhook.secret, "the secret of it");
  EXPECT_EQ(taken[0].attempts, 0);
}

TEST_P(DeliveryContract, EveryEndCounts) {
  options_.max_attempts = 1;
  Open();
  SubmitWithWebhook("cancelled");
  ASSERT_TRUE(Cancel("cancelled").has_value());
  SubmitWithWebhook("lost");
  ASSERT_EQ(LeaseIds(1), Ids{"lost"});
  now_ += options_.lease_time;
  Sweep();
  Ids ids = TakeIds();
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(ids, (Ids{"cancelled", "lost"}));
}

TEST_P(DeliveryContract, WhatIsTakenIsHeldForATime) {
  SubmitWithWebhook("a");
  ASSERT_TRUE(Cancel("a").has_value());
  EXPECT_EQ(TakeIds(), Ids{"a"});
  EXPECT_TRUE(Take(other()).empty());
  now_ += kHold + base::kMillisecond;
  EXPECT_EQ(TakeIds(), Ids{"a"});
}

TEST_P(DeliveryContract, WhatIsPostponedComesAgainWithItsAttempts) {
  SubmitWithWebhook("a");
  ASSERT_TRUE(Cancel("a").has_value());
  ASSERT_EQ(TakeIds(), Ids{"a"});
  Postpone("a", 3, base::kSecond);
  EXPECT_EQ(TakeIds(), Ids());
  now_ += base::kSecond + base::kMillisecond;
  const auto taken = Take(other());
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_EQ(taken[0].attempts, 3);
}

TEST_P(DeliveryContract, WhatIsSettledNeverComesAgain) {
  SubmitWithWebhook("a");
  ASSERT_TRUE(Cancel("a").has_value());
  ASSERT_EQ(TakeIds(), Ids{"a"});
  Settle("a");
  Postpone("a", 1, 0);  // too late
  now_ += kHold + base::kSecond;
  EXPECT_EQ(TakeIds(), Ids());
  EXPECT_TRUE(Get("a").has_value());
}

TEST_P(DeliveryContract, NoMoreAreTakenThanAskedFor) {
  for (const char* id : {"a", "b", "c"}) {
    SubmitWithWebhook(id);
    ASSERT_TRUE(Cancel(id).has_value());
    now_ += base::kMillisecond;
  }
  EXPECT_EQ(TakeIds(2), (Ids{"a", "b"}));
  EXPECT_EQ(TakeIds(2), Ids{"c"});
}

TEST_P(DeliveryContract, WhatIsDueOutlivesARestart) {
  SubmitWithWebhook("a");
  ASSERT_TRUE(Cancel("a").has_value());
  Open();
  EXPECT_EQ(TakeIds(), kind_->durable() ? Ids{"a"} : Ids());
}

TEST_P(DeliveryContract, ItIsForgottenWithItsJob) {
  SubmitWithWebhook("a");
  ASSERT_TRUE(Cancel("a").has_value());
  now_ += options_.job_ttl;
  EXPECT_EQ(TakeIds(), Ids());
  Sweep();
  EXPECT_EQ(TakeIds(), Ids());
}

}  // namespace
}  // namespace store
