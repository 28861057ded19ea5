#include "http/budget.h"

#include <gtest/gtest.h>

#include <optional>

namespace http {
namespace {

TEST(Budget, OneClientHasHalfAndAllTogetherTheWhole) {
  const Budget budget(100);
  Budget::Share a(budget, "a");
  Budget::Share more_of_a(budget, "a");
  Budget::Share b(budget, "b");
  Budget::Share c(budget, "c");
  EXPECT_TRUE(a.Resize(30));
  EXPECT_FALSE(more_of_a.Resize(21));
  EXPECT_TRUE(more_of_a.Resize(20));
  EXPECT_TRUE(b.Resize(49));
  EXPECT_FALSE(c.Resize(2));
  EXPECT_TRUE(c.Resize(1));
  EXPECT_EQ(budget.taken(), 100);
}

TEST(Budget, IsGivenBack) {
  const Budget budget(100);
  {
    Budget::Share share(budget, "a");
    EXPECT_TRUE(share.Resize(50));
    EXPECT_TRUE(share.Resize(10));
    EXPECT_EQ(budget.taken(), 10);
    Budget::Share moved = std::move(share);
    EXPECT_EQ(budget.taken(), 10);
    moved = Budget::Share(budget, "b");
    EXPECT_EQ(budget.taken(), 0);
    EXPECT_TRUE(moved.Resize(50));
  }
  EXPECT_EQ(budget.taken(), 0);
}

TEST(Budget, ARefusedShareIsAsItWas) {
  const Budget budget(100);
  Budget::Share share(budget, "a");
  EXPECT_TRUE(share.Resize(40));
  EXPECT_FALSE(share.Resize(60));
  EXPECT_EQ(budget.taken(), 40);
}

TEST(Budget, SharesMayOutliveIt) {
  std::optional<Budget> budget(100);
  Budget::Share share(*budget, "a");
  EXPECT_TRUE(share.Resize(40));
  budget.reset();
  EXPECT_TRUE(share.Resize(50));
}

TEST(Budget, WithoutOneAShareMayGrow) {
  Budget::Share share;
  EXPECT_TRUE(share.Resize(int64_t{1} << 40));
}

}  // namespace
}  // namespace http
