#include "job/rate.h"

#include <gtest/gtest.h>

#include <string>

namespace job {
namespace {

constexpr base::Nanos kNow = 1'000'000 * base::kSecond;

TEST(Rate, GivesAllAtOnceThenOneAtATime) {
  const Rate rate{4, base::kSecond};
  base::Nanos full_at = 0;
  const RateState first = TakeFromRate(rate, 3, kNow, &full_at);
  EXPECT_EQ(first.granted, 3);
  EXPECT_EQ(first.remaining, 1);
  EXPECT_EQ(first.reset, 750 * base::kMillisecond);
  EXPECT_EQ(first.retry, 0);
  const RateState second = TakeFromRate(rate, 3, kNow, &full_at);
  EXPECT_EQ(second.granted, 1);
  EXPECT_EQ(second.remaining, 0);
  EXPECT_EQ(second.retry, 250 * base::kMillisecond);
  EXPECT_EQ(TakeFromRate(rate, 1, kNow + second.retry - 1, &full_at).granted, 0);
  EXPECT_EQ(TakeFromRate(rate, 2, kNow + second.retry, &full_at).granted, 1);
}

TEST(Rate, IsFullAfterItsPeriodAndNotFuller) {
  const Rate rate{10, base::kMinute};
  base::Nanos full_at = 0;
  EXPECT_EQ(TakeFromRate(rate, 100, kNow, &full_at).granted, 10);
  EXPECT_EQ(TakeFromRate(rate, 100, kNow + 10 * base::kMinute, &full_at).granted, 10);
}

TEST(Rate, AskingForNothingTakesNothing) {
  const Rate rate{2, base::kSecond};
  base::Nanos full_at = 0;
  const RateState state = TakeFromRate(rate, 0, kNow, &full_at);
  EXPECT_EQ(state.granted, 0);
  EXPECT_EQ(state.remaining, 2);
  EXPECT_EQ(full_at, kNow);
}

TEST(Rate, AClockThatIsSetBackCostsOnePeriodAtMost) {
  const Rate rate{2, base::kSecond};
  base::Nanos full_at = kNow + base::kHour;
  const RateState state = TakeFromRate(rate, 1, kNow, &full_at);
  EXPECT_EQ(state.granted, 0);
  EXPECT_EQ(state.retry, 500 * base::kMillisecond);
  EXPECT_EQ(full_at, kNow + base::kSecond);
}

TEST(Rate, APeriodShorterThanTheCountDoesNotDivideByZero) {
  base::Nanos full_at = 0;
  EXPECT_EQ(TakeFromRate({1000, 10}, 5000, kNow, &full_at).granted, 1000);
}

TEST(RateTable, KeepsNamesApartAndForgetsThoseThatAreFull) {
  RateTable table(10'000);
  const Rate rate{1, base::kSecond};
  EXPECT_EQ(table.Take("a", rate, 1, kNow).granted, 1);
  EXPECT_EQ(table.Take("a", rate, 1, kNow).granted, 0);
  EXPECT_EQ(table.Take("b", rate, 1, kNow).granted, 1);
  for (int i = 0; i < 5000; ++i) {
    table.Take(std::to_string(i), rate, 1, kNow + i * base::kSecond);
  }
  EXPECT_LE(table.size(), 1024U);
}

TEST(RateTable, GrantsNothingToNewNamesWhenItIsFull) {
  RateTable table(2);
  const Rate rate{2, base::kSecond};
  table.Take("a", rate, 1, kNow);
  table.Take("b", rate, 1, kNow);
  const RateState refused = table.Take("c", rate, 1, kNow);
  EXPECT_EQ(refused.granted, 0);
  EXPECT_GT(refused.retry, 0);
  EXPECT_EQ(table.Take("a", rate, 1, kNow).granted, 1);
}

}  // namespace
}  // namespace job
