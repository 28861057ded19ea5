#include "executor/usage_sum.h"

#include <gtest/gtest.h>

namespace executor {
namespace {

constexpr base::Nanos kBegan = 1000 * base::kSecond;
constexpr base::Nanos kLater = kBegan + base::kSecond;

sandbox::LiveUsage Live(base::Nanos cpu, int64_t memory, int64_t peak, int64_t processes) {
  return {0, cpu, memory, peak, processes};
}

sandbox::Usage Ended(base::Nanos cpu, int64_t peak) {
  sandbox::Usage usage;
  usage.cpu_time = cpu;
  usage.memory_peak_bytes = peak;
  return usage;
}

TEST(UsageSumTest, AddsUpWhatRunsAndTheTimeOfWhatHasEnded) {
  UsageSum sum(kBegan);
  sum.Measured(1, Live(10, 100, 150, 2));
  sum.Measured(2, Live(20, 200, 200, 3));
  sum.Ended(1, Ended(15, 300));
  sum.Measured(3, Live(30, 50, 60, 1));
  const auto usage = sum.Take(kLater);
  ASSERT_TRUE(usage.has_value());
  EXPECT_EQ(usage->wall_time, base::kSecond);
  EXPECT_EQ(usage->cpu_time, 65);
  EXPECT_EQ(usage->memory_bytes, 250);
  EXPECT_EQ(usage->memory_peak_bytes, 300);
  EXPECT_EQ(usage->processes, 4);
}

TEST(UsageSumTest, SaysNothingOfTheMomentWhenNothingWasMeasured) {
  UsageSum sum(kBegan);
  sum.Ended(1, Ended(15, 300));
  const auto usage = sum.Take(kLater);
  ASSERT_TRUE(usage.has_value());
  EXPECT_EQ(usage->cpu_time, 15);
  EXPECT_EQ(usage->memory_bytes, std::nullopt);
  EXPECT_EQ(usage->processes, std::nullopt);
}

TEST(UsageSumTest, ASumOfWhichAPartIsUnknownIsUnknown) {
  UsageSum sum(kBegan);
  sum.Measured(1, Live(10, 100, 150, 2));
  sum.Measured(2, {});
  const auto usage = sum.Take(kLater);
  ASSERT_TRUE(usage.has_value());
  EXPECT_EQ(usage->cpu_time, std::nullopt);
  EXPECT_EQ(usage->memory_bytes, std::nullopt);
  EXPECT_EQ(usage->processes, std::nullopt);
  EXPECT_EQ(usage->memory_peak_bytes, 150);
}

TEST(UsageSumTest, IsToldNowAndThen) {
  UsageSum sum(kBegan);
  EXPECT_FALSE(sum.Take(kBegan + 200 * base::kMillisecond));
  EXPECT_TRUE(sum.Take(kBegan + 250 * base::kMillisecond));
  EXPECT_FALSE(sum.Take(kBegan + 500 * base::kMillisecond));
  EXPECT_TRUE(sum.Take(kBegan + 700 * base::kMillisecond));
}

}  // namespace
}  // namespace executor
