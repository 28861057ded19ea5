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

TEST(ParseRfc3339, ReadsTimes) {
  EXPECT_EQ(*ParseRfc3339("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(*ParseRfc3339("2026-01-02T03:04:05.000000006Z"),
            *ParseRfc3339("2026-01-02T03:04:05Z") + 6);
  EXPECT_EQ(*ParseRfc3339("2026-01-02t03:04:05.5z"),
            *ParseRfc3339("2026-01-02T03:04:05Z") + kSecond / 2);
  EXPECT_EQ(*ParseRfc3339("2026-01-02T03:04:05+02:30"), *ParseRfc3339("2026-01-02T00:34:05Z"));
  EXPECT_EQ(*ParseRfc3339("2026-01-02T03:04:05-02:30"), *ParseRfc3339("2026-01-02T05:34:05Z"));
  EXPECT_EQ(FormatRfc3339(*ParseRfc3339("2024-02-29T23:59:59.123456789Z")),
            "2024-02-29T23:59:59.123456789Z");
}

TEST(ParseRfc3339, RefusesWhatIsNone) {
  for (const char* text :
       {"", "2026", "2026-01-02", "2026-01-02T03:04:05", "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-02T24:00:00Z",
        "2026-01-02T03:60:05Z", "2026-01-02T03:04:61Z", "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05.1234567890Z", "2026-01-02T03:04:05ZZ", "2026-01-02T03:04:05+0200",
        "2026-01-02T03:04:05+24:00", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z",
        " 2026-01-02T03:04:05Z", "+026-01-02T03:04:05Z"}) {
    EXPECT_FALSE(ParseRfc3339(text)) << text;
  }
}

}  // namespace
}  // namespace base
