#include "http/handshake.h"

#include <gtest/gtest.h>

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <string>
#include <vector>

#include "http/interactive.h"

namespace http {
namespace {

using Asked = boost::beast::http::request<boost::beast::http::string_body>;

Asked Asking() {
  Asked request;
  request.version(11);
  request.set("Host", "code.example.org:8080");
  request.set("Connection", "keep-alive, Upgrade");
  request.set("Upgrade", "WebSocket");
  request.set("Sec-WebSocket-Version", "13");
  request.set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  return request;
}

int StatusOf(const Asked& request, const CorsPolicy& cors = {}) {
  const auto refusal = CheckHandshake(request, cors, "id");
  return refusal ? refusal->status : 101;
}

TEST(CheckHandshake, PassesThatOfTheStandard) {
  EXPECT_EQ(StatusOf(Asking()), 101);
}

TEST(CheckHandshake, AsksForAnUpgradeWhereThereIsNone) {
  for (const char* field : {"Connection", "Upgrade", "Sec-WebSocket-Version"}) {
    Asked request = Asking();
    request.erase(field);
    EXPECT_EQ(StatusOf(request), 426) << field;
    request.set(field, "x");
    EXPECT_EQ(StatusOf(request), 426) << field;
  }
  Asked old = Asking();
  old.version(10);
  EXPECT_EQ(StatusOf(old), 426);
}

TEST(CheckHandshake, NeedsAKey) {
  for (const char* key : {"", "x", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZQ=="}) {
    Asked request = Asking();
    request.set("Sec-WebSocket-Key", key);
    EXPECT_EQ(StatusOf(request), 400) << key;
  }
  Asked twice = Asking();
  twice.insert("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  EXPECT_EQ(StatusOf(twice), 400);
}

TEST(CheckHandshake, PagesOfOthersAreRefused) {
  const auto from = [](const char* origin, const CorsPolicy& cors = {}) {
    Asked request = Asking();
    request.set("Origin", origin);
    return StatusOf(request, cors);
  };
  EXPECT_EQ(from("http://code.example.org:8080"), 101);
  EXPECT_EQ(from("https://code.example.org:8080"), 101);
  for (const char* origin : {"https://example.org", "http://code.example.org", "null",
                             "ftp://code.example.org:8080", "http://code.example.org:80801"}) {
    EXPECT_EQ(from(origin), 403) << origin;
  }
  EXPECT_EQ(from("https://example.org", {.origins = {"https://example.org"}}), 101);
  EXPECT_EQ(from("https://other.org", {.origins = {"https://example.org"}}), 403);
  EXPECT_EQ(from("null", {.any = true, .origins = {}}), 101);
}

TEST(Lobby, KeepsAQuarterForOthers) {
  Lobby lobby(4);
  bool full = false;
  std::vector<Lobby::Seat> seats;
  for (int i = 0; i < 3; ++i) {
    seats.push_back(lobby.Take("a", &full));
    EXPECT_NE(seats.back(), nullptr);
  }
  EXPECT_EQ(lobby.Take("a", &full), nullptr);
  EXPECT_FALSE(full);
  seats.push_back(lobby.Take("b", &full));
  EXPECT_NE(seats.back(), nullptr);
  EXPECT_EQ(lobby.Take("c", &full), nullptr);
  EXPECT_TRUE(full);
  EXPECT_EQ(lobby.taken(), 4);
  seats.erase(seats.begin());
  EXPECT_NE(lobby.Take("a", &full), nullptr);
  EXPECT_EQ(lobby.taken(), 3) << "the one that was not kept";
}

TEST(Lobby, OneSeatIsForAnybody) {
  Lobby lobby(1);
  bool full = false;
  EXPECT_NE(lobby.Take("a", &full), nullptr);
}

}  // namespace
}  // namespace http
