#include "http/framing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace http {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

Response Large(std::string content_type = "application/json") {
  return {200, std::move(content_type), {}, std::string(size_t{16} << 10, 'x')};
}

TEST(CompleteTest, CompressesLargeTextsForWhoTakesThem) {
  Framing framing;
  framing.gzip = true;
  Response response = Large();
  Complete(framing, &response);
  EXPECT_NE(response.source, nullptr);
  EXPECT_THAT(response.headers, Contains(Pair("Content-Encoding", "gzip")));
  EXPECT_THAT(ResponseHeader(response, framing, "id"), HasSubstr("Transfer-Encoding: chunked"));
}

TEST(CompleteTest, LeavesTheRestAsItIs) {
  Framing gzip;
  gzip.gzip = true;
  Framing old = gzip;
  old.http10 = true;
  Response small{200, "application/json", {}, "{}"};
  Response binary = Large("application/octet-stream");
  Response for_old = Large();
  Response not_asked = Large();
  Complete(gzip, &small);
  Complete(gzip, &binary);
  Complete(old, &for_old);
  Complete(Framing(), &not_asked);
  for (const Response& response : {small, binary, for_old, not_asked}) {
    EXPECT_EQ(response.source, nullptr);
    EXPECT_THAT(response.headers, Not(Contains(Pair("Content-Encoding", "gzip"))));
  }
  // A cache on the way must not give it to those who do accept gzip as the only form there is.
  EXPECT_THAT(not_asked.headers, Contains(Pair("Vary", "Accept-Encoding")));
}

TEST(CompleteTest, AnswersNotModified) {
  for (const char* field : {"\"abc\"", "W/\"abc\"", "\"x\", W/\"abc\" , \"y\"", "*"}) {
    Framing framing;
    framing.if_none_match = field;
    Response response = Large();
    response.etag = "abc";
    Complete(framing, &response);
    EXPECT_EQ(response.status, 304) << field;
    EXPECT_EQ(response.body, "");
    const std::string header = ResponseHeader(response, framing, "id");
    EXPECT_THAT(header, HasSubstr("ETag: W/\"abc\"\r\n"));
    EXPECT_THAT(header, Not(HasSubstr("\r\nContent-")));
  }
  for (const char* field : {"", "abc", "\"abcd\"", "\"ab\"", "W/abc", "\"\"", ","}) {
    Framing framing;
    framing.if_none_match = field;
    Response response{200, "application/json", {}, "{}"};
    response.etag = "abc";
    Complete(framing, &response);
    EXPECT_EQ(response.status, 200) << field;
    EXPECT_THAT(ResponseHeader(response, framing, "id"), HasSubstr("Cache-Control: no-cache"));
  }
}

TEST(CompleteTest, WhatHasNoTagIsNotKept) {
  Framing framing;
  framing.if_none_match = "*";
  Response response{200, "application/json", {}, "{}"};
  Complete(framing, &response);
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(ResponseHeader(response, framing, "id"), HasSubstr("Cache-Control: no-store"));
}

}  // namespace
}  // namespace http
