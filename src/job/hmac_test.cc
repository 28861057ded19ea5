#include "job/hmac.h"

#include <gtest/gtest.h>

#include <set>

#include "base/text.h"

namespace job {
namespace {

// RFC 4231, test case 2.
TEST(Hmac, IsThatOfTheStandard) {
  EXPECT_EQ(base::HexEncode(HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(DeriveId, DependsOnAllOfItsArguments) {
  const std::set<std::string> ids = {DeriveId("s", "ab", "c"), DeriveId("s", "a", "bc"),
                                     DeriveId("t", "ab", "c"), DeriveId("s", "ab", "")};
  EXPECT_EQ(ids.size(), 4U);
  for (const std::string& id : ids) {
    EXPECT_EQ(id.size(), 22U);
    EXPECT_EQ(id.find_first_of("+/="), std::string::npos);
  }
  EXPECT_EQ(DeriveId("s", "ab", "c"), DeriveId("s", "ab", "c"));
}

}  // namespace
}  // namespace job
