#include "http/router.h"

#include <gtest/gtest.h>

namespace http {
namespace {

TEST(PercentDecodeTest, DecodesStrictly) {
  EXPECT_EQ(PercentDecode("a%20b%2F%c3%A9", false).value(), "a b/\xc3\xa9");
  EXPECT_EQ(PercentDecode("a+b", false).value(), "a+b");
  EXPECT_EQ(PercentDecode("a+b", true).value(), "a b");
  for (const char* bad : {"%", "%2", "%g0", "%0g", "a%", "%00", "%0a", "%7f", "%ff", "%c0%80"}) {
    EXPECT_FALSE(PercentDecode(bad, false)) << bad;
  }
}

TEST(SplitTargetTest, TakesOriginAndAbsoluteForm) {
  EXPECT_EQ(SplitTarget("/a/b?c=d?e").value().path, "/a/b");
  EXPECT_EQ(SplitTarget("/a/b?c=d?e").value().query, "c=d?e");
  EXPECT_EQ(SplitTarget("http://host:80/x?y").value().path, "/x");
  EXPECT_EQ(SplitTarget("http://host").value().path, "/");
  EXPECT_EQ(SplitTarget("http://host?q").value().query, "q");
  for (const char* bad : {"", "*", "host:80", "ftp://host/", "/a#b"}) {
    EXPECT_FALSE(SplitTarget(bad)) << bad;
  }
}

TEST(ParseQueryTest, KeepsOrderAndEmptyValues) {
  const Params expected{{"a", "1"}, {"b", ""}, {"c", "x=y z"}, {"a", "2"}};
  EXPECT_EQ(ParseQuery("a=1&b&&c=x=y+z&a=2").value(), expected);
  EXPECT_TRUE(ParseQuery("").value().empty());
  EXPECT_FALSE(ParseQuery("a=%zz"));
}

TEST(FindRouteTest, FindsEndpoints) {
  EXPECT_EQ(FindRoute("GET", "/health").endpoint, Endpoint::kHealth);
  EXPECT_EQ(FindRoute("HEAD", "/health/live").endpoint, Endpoint::kLive);
  EXPECT_EQ(FindRoute("GET", "/v1/%65xecute/a%2Fb").path_param, "a/b");
  EXPECT_TRUE(FindRoute("POST", "/v1/execute").takes_body);
  const Match cancel = FindRoute("DELETE", "/v1/execute/abc");
  EXPECT_EQ(cancel.status, 200);
  EXPECT_EQ(cancel.endpoint, Endpoint::kCancel);
  EXPECT_EQ(cancel.allow, "");
  EXPECT_EQ(FindRoute("GET", "/v1/execute/abc/events").endpoint, Endpoint::kEvents);
  EXPECT_EQ(FindRoute("GET", "/v1/execute").query_names,
            (std::vector<std::string_view>{"language", "status", "since", "limit", "cursor"}));
  const Match get = FindRoute("GET", "/v1/execute/abc");
  EXPECT_EQ(get.status, 200);
  EXPECT_EQ(get.endpoint, Endpoint::kGetJob);
  EXPECT_EQ(get.path_param, "abc");
}

TEST(FindRouteTest, TellsMissingPathFromWrongMethod) {
  for (const char* path : {"/", "/healthx", "/health/", "//health", "/v1/execute/", "/v1",
                           "/v1/execute/a/b", "/V1/execute"}) {
    EXPECT_EQ(FindRoute("GET", path).status, 404) << path;
  }
  EXPECT_EQ(FindRoute("DELETE", "/health").status, 405);
  EXPECT_EQ(FindRoute("DELETE", "/health").allow, "GET, HEAD, OPTIONS");
  EXPECT_EQ(FindRoute("PUT", "/v1/execute").allow, "POST, GET, HEAD, OPTIONS");
  EXPECT_EQ(FindRoute("POST", "/v1/execute/x").allow, "GET, HEAD, DELETE, OPTIONS");
  EXPECT_EQ(FindRoute("get", "/health").status, 405);
  EXPECT_EQ(FindRoute("GET", "/v1/execute/%ff").status, 400);
}

TEST(FindRoute, TakesTheRestAsAFilesPath) {
  const Match match = FindRoute("GET", "/v1/execute/abc/files/a%20b/c%2Fd.txt");
  EXPECT_EQ(match.status, 200);
  EXPECT_EQ(match.endpoint, Endpoint::kFile);
  EXPECT_EQ(match.path_param, "abc");
  EXPECT_EQ(match.file_path, "a b/c/d.txt");
  EXPECT_EQ(FindRoute("GET", "/v1/execute/abc/files/").status, 404);
  EXPECT_EQ(FindRoute("GET", "/v1/execute/abc/files").status, 404);
  EXPECT_EQ(FindRoute("GET", "/v1/execute//files/a").status, 404);
  EXPECT_EQ(FindRoute("POST", "/v1/execute/abc/files/a").status, 405);
  EXPECT_EQ(FindRoute("GET", "/v1/execute/abc/file/a").status, 404);
}

}  // namespace
}  // namespace http
