#include "language/pattern.h"

#include <gtest/gtest.h>

namespace language {
namespace {

TEST(PatternTest, TakesExpressions) {
  EXPECT_TRUE(CheckPattern("a{1,5}b(c|d)"));
  EXPECT_TRUE(CheckOneGroup("v(\\d+)"));
  EXPECT_FALSE(CheckOneGroup("v\\d+"));
  EXPECT_FALSE(CheckOneGroup("(v)(\\d+)"));
  EXPECT_FALSE(CheckPattern("(("));
}

TEST(PatternTest, RefusesNumbersThatOverflowItsReader) {
  EXPECT_TRUE(CheckPattern("a{999}"));
  for (const char* pattern : {"(a)\\44444444444444444444", "a{1000}", "a{1,99999999999}"}) {
    const base::Result<void> checked = CheckPattern(pattern);
    ASSERT_FALSE(checked) << pattern;
    EXPECT_EQ(checked.error().message, "must have no number of more than three digits");
  }
}

TEST(PatternTest, MatchesAllOfTheText) {
  EXPECT_TRUE(FullMatch("-O2", "-O[0-3]"));
  EXPECT_FALSE(FullMatch("-O22", "-O[0-3]"));
  EXPECT_EQ(FindGroup("go version go1.2.3 x", "go(\\d\\S+)"), "1.2.3");
  EXPECT_EQ(FindGroup("nothing", "go(\\d)"), std::nullopt);
}

}  // namespace
}  // namespace language
