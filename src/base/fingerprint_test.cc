#include "base/fingerprint.h"

#include <gtest/gtest.h>

#include <initializer_list>

namespace base {
namespace {

std::string Of(std::initializer_list<std::string_view> texts) {
  Fingerprint fingerprint;
  for (const std::string_view text : texts) {
    fingerprint.Add(text);
  }
  return fingerprint.Hex();
}

TEST(Fingerprint, IsFnv1a) {
  EXPECT_EQ(Fingerprint().Hex(), "cbf29ce484222325");
  // The published value of "foobar" is 85944171f73967e8; the end of the text is one zero byte more.
  EXPECT_EQ(Of({"foobar"}), "34531ca7168b8f38");
}

TEST(Fingerprint, TellsWhereATextEnds) {
  EXPECT_NE(Of({"ab", "c"}), Of({"a", "bc"}));
  EXPECT_NE(Of({""}), Of({}));
}

TEST(Fingerprint, TakesNumbersAsTheirDigits) {
  Fingerprint number;
  number.Add(int64_t{-17});
  EXPECT_EQ(number.Hex(), Of({"-17"}));
}

}  // namespace
}  // namespace base
