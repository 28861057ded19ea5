#include "executor/checker.h"

#include <gtest/gtest.h>

#include <string>

namespace executor {
namespace {

using job::Checker;

bool Same(Checker checker, const std::string& expected, const std::string& actual,
          double tolerance = 1e-6) {
  return !Compare(checker, tolerance, expected, actual);
}

// "line: expected | actual"
std::string Where(Checker checker, const std::string& expected, const std::string& actual) {
  const auto difference = Compare(checker, 1e-6, expected, actual);
  return difference ? std::to_string(difference->line) + ": " + difference->expected + " | " +
                          difference->actual
                    : "same";
}

TEST(Compare, ExactTakesEveryByteSeriously) {
  EXPECT_TRUE(Same(Checker::kExact, "", ""));
  EXPECT_TRUE(Same(Checker::kExact, "a \n", "a \n"));
  EXPECT_EQ(Where(Checker::kExact, "a\n", "a"), "1: a | a");
  EXPECT_EQ(Where(Checker::kExact, "a", "a\n"), "1: a | a");
  EXPECT_EQ(Where(Checker::kExact, "a\n", "a\n\n"), "2:  | ");
  EXPECT_EQ(Where(Checker::kExact, "a\nb\nc", "a\nB\nc"), "2: b | B");
  EXPECT_EQ(Where(Checker::kExact, "", "x"), "1:  | x");
  EXPECT_EQ(Where(Checker::kExact, "a\nb", "a\n"), "2: b | ");
}

TEST(Compare, LinesForgivesWhiteSpaceAtEnds) {
  EXPECT_TRUE(Same(Checker::kLines, "a\nb\n", "a  \r\nb\n\n \n"));
  EXPECT_TRUE(Same(Checker::kLines, "", "\n\n"));
  EXPECT_FALSE(Same(Checker::kLines, "a b", "a  b"));
  EXPECT_FALSE(Same(Checker::kLines, "a", " a"));
  EXPECT_EQ(Where(Checker::kLines, "a\n\nb", "a\nb"), "2:  | b");
  EXPECT_EQ(Where(Checker::kLines, "a\nb", "a"), "2: b | ");
  EXPECT_EQ(Where(Checker::kLines, "a", "a\nb"), "2:  | b");
}

TEST(Compare, TokensForgivesAllWhiteSpace) {
  EXPECT_TRUE(Same(Checker::kTokens, "1 2\n3", " 1\n2\t3\n"));
  EXPECT_FALSE(Same(Checker::kTokens, "1 2", "12"));
  EXPECT_EQ(Where(Checker::kTokens, "1 2 3", "1\n2\n4"), "3: 3 | 4");
  EXPECT_EQ(Where(Checker::kTokens, "1 2", "1"), "1: 2 | ");
  EXPECT_FALSE(Same(Checker::kTokens, "1.0", "1"));
}

TEST(Compare, FloatsForgivesTheTolerance) {
  EXPECT_TRUE(Same(Checker::kFloats, "1.0 x -2e3", "1.0000001 x -2000.001"));
  EXPECT_TRUE(Same(Checker::kFloats, "0", "1e-7"));
  EXPECT_TRUE(Same(Checker::kFloats, "1000000", "+1000000.5"));
  EXPECT_FALSE(Same(Checker::kFloats, "1.0", "1.001"));
  EXPECT_TRUE(Same(Checker::kFloats, "1.0", "1.001", 0.01));
  EXPECT_FALSE(Same(Checker::kFloats, "1.0", "1.0x"));
  EXPECT_FALSE(Same(Checker::kFloats, "1.0", "nan"));
  EXPECT_FALSE(Same(Checker::kFloats, "1e308", "inf"));
  EXPECT_TRUE(Same(Checker::kFloats, "nan", "nan"));
  EXPECT_FALSE(Same(Checker::kFloats, "1 2", "1"));
}

TEST(Compare, UnorderedLinesCountsEach) {
  EXPECT_TRUE(Same(Checker::kUnorderedLines, "a\nb\nb\n", "b \na\nb"));
  EXPECT_EQ(Where(Checker::kUnorderedLines, "a\na\nb", "a\nb\nb"), "3: a | b");
  EXPECT_EQ(Where(Checker::kUnorderedLines, "a\nb", "b"), "1: a | ");
  EXPECT_EQ(Where(Checker::kUnorderedLines, "a", "c\na\nb"), "1:  | c");
  EXPECT_TRUE(Same(Checker::kUnorderedLines, "", "\n"));
}

TEST(Compare, BoundsTheExcerpts) {
  const auto difference = Compare(Checker::kLines, 0, std::string(100'000, 'a') + "x",
                                  std::string(100'000, 'a') + "\xC3\xA9");
  ASSERT_TRUE(difference);
  EXPECT_LE(difference->expected.size(), 300U);
  EXPECT_LE(difference->actual.size(), 300U);
}

TEST(Compare, TakesManyLines) {
  std::string up;
  std::string down;
  for (int i = 0; i < 200'000; ++i) {
    up += std::to_string(i) + "\n";
    down += std::to_string(199'999 - i) + "\n";
  }
  EXPECT_TRUE(Same(Checker::kUnorderedLines, up, down));
  EXPECT_EQ(Where(Checker::kLines, up, down), "1: 0 | 199999");
}

}  // namespace
}  // namespace executor
