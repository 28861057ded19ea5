#include "http/cors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace http {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr const char* kAllowOrigin = "Access-Control-Allow-Origin";
constexpr const char* kPage = "https://example.org:8443";

TEST(CorsPolicyTest, TakesOriginsAndTheStar) {
  EXPECT_TRUE(ParseCorsPolicy("*")->any);
  EXPECT_THAT(ParseCorsPolicy("")->origins, IsEmpty());
  EXPECT_FALSE(ParseCorsPolicy("")->any);
  EXPECT_THAT(ParseCorsPolicy("https://example.org:8443, http://[::1]:3000")->origins,
              testing::ElementsAre(kPage, "http://[::1]:3000"));
}

TEST(CorsPolicyTest, RefusesWhatIsNoOrigin) {
  for (const char* text : {"example.org", "https://", "://x", "https://example.org/", "HTTPS://x",
                           "https://Example.org", "https://a,,https://b", "https://a,", "null",
                           "*,https://a", "https://a b", "https://user@a", "https://a\r\nX: y"}) {
    EXPECT_FALSE(ParseCorsPolicy(text)) << text;
  }
}

TEST(CorsFieldsTest, ForeignPagesReadWhatIsOpenOnly) {
  const CorsPolicy closed;
  EXPECT_THAT(CorsFields(closed, kPage, true), Contains(Pair(kAllowOrigin, "*")));
  EXPECT_THAT(CorsFields(closed, kPage, false), IsEmpty());
  EXPECT_THAT(PreflightFields(closed, kPage, "POST"), IsEmpty());
}

TEST(CorsFieldsTest, ListedPagesDoEverything) {
  const CorsPolicy policy = ParseCorsPolicy(kPage).value();
  const Params fields = CorsFields(policy, kPage, false);
  EXPECT_THAT(fields, Contains(Pair(kAllowOrigin, kPage)));
  EXPECT_THAT(fields, Contains(Pair("Vary", "Origin")));
  EXPECT_THAT(PreflightFields(policy, kPage, "GET, POST"),
              Contains(Pair("Access-Control-Allow-Methods", "GET, POST")));
  for (const char* other : {"https://example.org", "https://example.org:84430", "null"}) {
    EXPECT_THAT(CorsFields(policy, other, false), testing::ElementsAre(Pair("Vary", "Origin")));
    EXPECT_THAT(PreflightFields(policy, other, "POST"), IsEmpty());
  }
}

TEST(CorsFieldsTest, NoPageGetsNothingAndNobodyCredentials) {
  const CorsPolicy any = ParseCorsPolicy("*").value();
  EXPECT_THAT(CorsFields(any, "", true), IsEmpty());
  Params all = CorsFields(any, kPage, true);
  for (const auto& field : PreflightFields(any, kPage, "POST")) {
    all.push_back(field);
  }
  EXPECT_THAT(all, Contains(Pair(kAllowOrigin, "*")));
  for (const auto& [name, value] : all) {
    EXPECT_NE(name, "Access-Control-Allow-Credentials");
  }
}

}  // namespace
}  // namespace http
