#include "base/text.h"

#include <gtest/gtest.h>

namespace base {
namespace {

TEST(Utf8, AcceptsWellFormedText) {
  for (const char* s : {"", "plain", "\u00e9", "\u20ac", "\U0001F600", "\uFEFFbom"}) {
    EXPECT_TRUE(IsValidUtf8(s)) << s;
  }
}

TEST(Utf8, RefusesMalformedText) {
  for (const char* s : {"\x80", "\xC0\xAF", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80",
                        "\xF4\x90\x80\x80", "\xFF", "a\xE2\x82"}) {
    EXPECT_FALSE(IsValidUtf8(s));
  }
}

TEST(Utf8, TruncationNeverSplitsACharacter) {
  const std::string text = "a\u20acb";
  EXPECT_EQ(TruncateUtf8(text, 1), "a");
  EXPECT_EQ(TruncateUtf8(text, 2), "a");
  EXPECT_EQ(TruncateUtf8(text, 3), "a");
  EXPECT_EQ(TruncateUtf8(text, 4), "a\u20ac");
  EXPECT_EQ(TruncateUtf8(text, 99), text);
  EXPECT_EQ(TruncateUtf8("\x80\x80\x80\x80", 2), "\x80\x80");
}

TEST(Base64, RoundTripsAllLengths) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(*Base64Decode(Base64Encode(bytes)), bytes);
    bytes += static_cast<char>(i * 7);
  }
}

TEST(Base64, RefusesWhatIsNotBase64) {
  for (const char* s : {"a", "ab=c", "====", "YQ==YQ==", "YQ= ", "Y\nQ="}) {
    EXPECT_FALSE(Base64Decode(s).has_value()) << s;
  }
}

TEST(Printable, EscapesControlAndInvalidBytes) {
  EXPECT_EQ(Printable("a\nb\x1b\xff\""), "a\\x0ab\\x1b\\xff\\x22");
  EXPECT_EQ(Printable("abcdef", 3), "abc...");
}

TEST(RandomId, IsUrlSafeAndDiffers) {
  const std::string a = RandomId();
  EXPECT_EQ(a.size(), 22U);
  EXPECT_NE(a, RandomId());
  EXPECT_EQ(a.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
            std::string::npos);
}

TEST(PercentEncode, KeepsPathsReadable) {
  EXPECT_EQ(PercentEncode("a-b_c.d~/e"), "a-b_c.d~/e");
  EXPECT_EQ(PercentEncode("a b?#%\xC3\xA9\r\n"), "a%20b%3F%23%25%C3%A9%0D%0A");
}

TEST(HasControlCharacters, KnowsBothSets) {
  EXPECT_FALSE(HasControlCharacters("a \xC3\xA9\xC2\xA0~"));
  for (const char* text : {"\n", "a\x7F", "\xC2\x85", "\x1F"}) {
    EXPECT_TRUE(HasControlCharacters(text)) << text;
  }
}

}  // namespace
}  // namespace base
