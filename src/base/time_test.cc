#include "base/time.h"

#include <gtest/gtest.h>

namespace base {
namespace {

TEST(ParseDuration, AcceptsGoSyntax) {
  EXPECT_EQ(*ParseDuration("10s"), 10 * kSecond);
  EXPECT_EQ(*ParseDuration("500ms"), 500 * kMillisecond);
  EXPECT_EQ(*ParseDuration("1m30s"), 90 * kSecond);
  EXPECT_EQ(*ParseDuration("1.5h"), 90 * kMinute);
  EXPECT_EQ(*ParseDuration(".5s"), 500 * kMillisecond);
  EXPECT_EQ(*ParseDuration("1.s"), kSecond);
  EXPECT_EQ(*ParseDuration("2us"), 2 * kMicrosecond);
  EXPECT_EQ(*ParseDuration("2\u00b5s"), 2 * kMicrosecond);
  EXPECT_EQ(*ParseDuration("7ns"), 7);
  EXPECT_EQ(*ParseDuration("0"), 0);
}

TEST(ParseDuration, RefusesEverythingElse) {
  for (const char* text :
       {"", "-1s", "+1s", "5", "s", ".s", "1x", "1s ", " 1s", "1e3s", "0x1s", "NaN", "10 s",
        "9223372036854775808ns", "3000000h", "99999999999999999999s", "1s-1s"}) {
    EXPECT_FALSE(ParseDuration(text).has_value()) << text;
  }
}

TEST(FormatDuration, IsGoSyntax) {
  EXPECT_EQ(FormatDuration(0), "0s");
  EXPECT_EQ(FormatDuration(3 * kSecond), "3s");
  EXPECT_EQ(FormatDuration(90 * kSecond), "1m30s");
  EXPECT_EQ(FormatDuration(1500 * kMicrosecond), "1.5ms");
  EXPECT_EQ(FormatDuration(kHour), "1h0m0s");
}

TEST(FormatRfc3339, HasNanosecondsInUtc) {
  EXPECT_EQ(FormatRfc3339(0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(FormatRfc3339(1767323045LL * kSecond + 6), "2026-01-02T03:04:05.000000006Z");
}

}  // namespace
}  // namespace base
