#include "webhook/url.h"

#include <gtest/gtest.h>

namespace webhook {
namespace {

TEST(Url, IsTakenApart) {
  const auto url = ParseUrl("https://example.org:8443/a/b?c=d");
  ASSERT_TRUE(url.has_value()) << url.error().message;
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->host, "example.org");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->target, "/a/b?c=d");
  EXPECT_EQ(url->Authority(), "example.org:8443");
}

TEST(Url, HasDefaults) {
  const auto plain = ParseUrl("HTTP://a.example");
  ASSERT_TRUE(plain.has_value());
  EXPECT_FALSE(plain->tls);
  EXPECT_EQ(plain->port, 80);
  EXPECT_EQ(plain->target, "/");
  EXPECT_EQ(plain->Authority(), "a.example");
  EXPECT_EQ(ParseUrl("https://a?b=/c")->target, "/?b=/c");
  const auto v6 = ParseUrl("https://[2001:db8::1]:444/x");
  ASSERT_TRUE(v6.has_value());
  EXPECT_EQ(v6->host, "2001:db8::1");
  EXPECT_EQ(v6->Authority(), "[2001:db8::1]:444");
  EXPECT_EQ(ParseUrl("http://192.0.2.1")->host, "192.0.2.1");
}

TEST(Url, WhatIsNoneIsRefused) {
  for (const char* text : {"",
                           "example.org",
                           "//example.org",
                           "ftp://example.org",
                           "file:///etc/passwd",
                           "gopher://example.org:6379/_x",
                           "https://",
                           "https:///x",
                           "https://user@example.org/",
                           "https://user:pass@example.org/",
                           "https://example.org\\@evil.example/",
                           "https://a b/",
                           "https://a/\r\nX: y",
                           "https://a/#b",
                           "https://a:0/",
                           "https://a:65536/",
                           "https://a:/",
                           "https://a:8x/",
                           "https://[::1",
                           "https://[::1]x/",
                           "https://[1.2.3.4]/",
                           "https://::1/",
                           "http://2130706433/",
                           "http://0x7f000001/",
                           "http://0177.0.0.1/",
                           "http://127.1/",
                           "http://0x7f.1/",
                           "http://1.2.3.4.5/",
                           "http://a..b/",
                           "http://.a/",
                           "http://-a/",
                           "http://a-/",
                           "http://\xC3\xA9/",
                           "http://a%2eb/"}) {
    EXPECT_FALSE(ParseUrl(text).has_value()) << text;
  }
  EXPECT_FALSE(ParseUrl("https://a/" + std::string(kMaxUrl, 'x')).has_value());
  EXPECT_FALSE(ParseUrl("https://" + std::string(300, 'x') + "/").has_value());
}

TEST(UrlProblem, IsThatOfThePolicy) {
  Policy policy;
  EXPECT_TRUE(UrlProblem(policy, "https://example.org/").has_value());
  policy.enabled = true;
  EXPECT_FALSE(UrlProblem(policy, "https://example.org/").has_value());
  EXPECT_FALSE(UrlProblem(policy, "https://8.8.8.8/").has_value());
  for (const char* text : {"https://example.org:6379/", "http://127.0.0.1/", "http://[::1]/",
                           "http://169.254.169.254/latest", "http://[::ffff:8.8.8.8]/", "x"}) {
    EXPECT_TRUE(UrlProblem(policy, text).has_value()) << text;
  }
  policy.allow_private = true;
  policy.ports = {8080};
  EXPECT_FALSE(UrlProblem(policy, "http://127.0.0.1:8080/").has_value());
  EXPECT_TRUE(UrlProblem(policy, "http://127.0.0.1/").has_value());
}

}  // namespace
}  // namespace webhook
