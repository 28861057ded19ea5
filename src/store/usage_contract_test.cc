// What every store promises of what running programs use.
#include <string>
#include <utility>
#include <vector>

#include "store/store_test_base.h"

namespace store {
namespace {

class UsageContract : public StoreTest {
 protected:
  using Heard = std::vector<std::pair<uint64_t, base::Nanos>>;  // runs and wall times

  job::Store::WatchHandle Watch(Heard& heard, const std::string& id = "a") {
    return other().WatchUsage(id, [&heard](uint64_t run, const sandbox::LiveUsage& usage) {
      heard.emplace_back(run, usage.wall_time);
    });
  }

  void Publish(const std::string& id, uint64_t run, base::Nanos wall_time) {
    sandbox::LiveUsage usage;
    usage.wall_time = wall_time;
    usage.memory_bytes = 7;
    store_->PublishUsage(id, run, usage);
  }

  bool Until(const std::function<bool()>& done) { return loop_.RunUntil(done); }

  base::Result<job::Job> GetFromOther() {
    return Call<job::Job>([&](auto done) { other().Get("a", done); });
  }

  // Until the job as others read it is used for so long.
  bool UntilRead(base::Nanos wall_time) {
    for (int i = 0; i < 1000; ++i) {
      const auto job = GetFromOther();
      if (job && job->usage && job->usage->wall_time == wall_time) {
        return true;
      }
    }
    return false;
  }
};

INSTANTIATE_TEST_SUITE_P(All, UsageContract, testing::ValuesIn(StoreKinds()),
                         [](const auto& test) { return test.param; });

TEST_P(UsageContract, WatchersHearItAndReadersSeeTheLatest) {
  ASSERT_TRUE(Submit("a").has_value());
  ASSERT_TRUE(Submit("b").has_value());
  Heard heard;
  const auto watch = Watch(heard);
  const job::Lease lease = LeaseOne();
  const job::Lease b = LeaseOne();
  Publish("b", b.token, 5);
  Publish("a", lease.token, 10);
  EXPECT_TRUE(heard.empty()) << "from within the call";
  ASSERT_TRUE(Until([&] { return heard.size() == 1; }));
  EXPECT_TRUE(UntilRead(10));
  sandbox::LiveUsage full{20, 1, 2, 3, 4};
  store_->PublishUsage("a", lease.token, full);
  ASSERT_TRUE(Until([&] { return heard.size() == 2; }));
  EXPECT_EQ(heard, (Heard{{lease.token, 10}, {lease.token, 20}}));
  const auto job = GetFromOther();
  ASSERT_TRUE(job && job->usage);
  EXPECT_EQ(job->usage->wall_time, 20);
  EXPECT_EQ(job->usage->cpu_time, 1);
  EXPECT_EQ(job->usage->memory_bytes, 2);
  EXPECT_EQ(job->usage->memory_peak_bytes, 3);
  EXPECT_EQ(job->usage->processes, 4);
}

TEST_P(UsageContract, WhatIsUnknownStaysUnknown) {
  ASSERT_TRUE(Submit("a").has_value());
  store_->PublishUsage("a", LeaseOne().token, {30, {}, {}, {}, {}});
  ASSERT_TRUE(UntilRead(30));
  const auto job = GetFromOther();
  ASSERT_TRUE(job && job->usage);
  EXPECT_EQ(job->usage->cpu_time, std::nullopt);
  EXPECT_EQ(job->usage->memory_bytes, std::nullopt);
  EXPECT_EQ(job->usage->memory_peak_bytes, std::nullopt);
  EXPECT_EQ(job->usage->processes, std::nullopt);
}

TEST_P(UsageContract, ItEndsWithTheLease) {
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease lease = LeaseOne();
  Publish("a", lease.token, 10);
  ASSERT_TRUE(UntilRead(10));
  Heard heard;
  const auto watch = Watch(heard);
  ASSERT_TRUE(Finish(lease).has_value());
  Publish("a", lease.token, 20);
  ExpectStats(0, 0);
  const auto job = GetFromOther();
  ASSERT_TRUE(job.has_value());
  EXPECT_EQ(job->status, job::Status::kCompleted);
  EXPECT_FALSE(job->usage);
  // What was known before the end may have been told.
  EXPECT_TRUE(heard.empty() || heard == (Heard{{lease.token, 10}}));
}

TEST_P(UsageContract, ANewRunBeginsWithout) {
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease first = LeaseOne();
  Publish("a", first.token, 10);
  ASSERT_TRUE(UntilRead(10));
  ASSERT_TRUE(Release(first).has_value());
  EXPECT_FALSE(GetFromOther()->usage);
  const job::Lease second = LeaseOne();
  Publish("a", first.token, 20);
  ExpectStats(0, 1);
  const auto job = GetFromOther();
  ASSERT_TRUE(job.has_value());
  EXPECT_EQ(job->status, job::Status::kRunning);
  EXPECT_FALSE(job->usage);
  Publish("a", second.token, 30);
  EXPECT_TRUE(UntilRead(30));
}

TEST_P(UsageContract, AListenerMayEndItsWatch) {
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease lease = LeaseOne();
  int calls = 0;
  job::Store::WatchHandle handle;
  handle = other().WatchUsage("a", [&](uint64_t, const sandbox::LiveUsage&) {
    ++calls;
    handle.reset();
  });
  Heard heard;
  const auto watch = Watch(heard);
  Publish("a", lease.token, 10);
  Publish("a", lease.token, 20);
  ASSERT_TRUE(Until([&] { return heard.size() == 2; }));
  EXPECT_EQ(calls, 1);
}

TEST_P(UsageContract, AHandleMayOutliveTheStore) {
  ASSERT_TRUE(Submit("a").has_value());
  Heard heard;
  auto watch = Watch(heard);
  Publish("a", LeaseOne().token, 10);
  store_.reset();
  other_.reset();
  bool last = false;
  loop_.post()([&] { last = true; });
  ASSERT_TRUE(Until([&] { return last; }));
  watch.reset();
}

}  // namespace
}  // namespace store
