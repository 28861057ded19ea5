#include "http/client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>

namespace http {
namespace {

sockaddr_storage Peer(int family, const char* address) {
  sockaddr_storage peer{};
  if (family == AF_INET) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    EXPECT_EQ(::inet_pton(family, address, &v4.sin_addr), 1);
    std::memcpy(&peer, &v4, sizeof(v4));
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    EXPECT_EQ(::inet_pton(family, address, &v6.sin6_addr), 1);
    std::memcpy(&peer, &v6, sizeof(v6));
  }
  return peer;
}

std::string Of(int family, const char* address) {
  return ClientOf(Peer(family, address));
}

TEST(ClientOf, IsAnIpv4Address) {
  EXPECT_EQ(Of(AF_INET, "192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(Of(AF_INET6, "::ffff:192.0.2.1"), "192.0.2.1");
}

TEST(ClientOf, IsAnIpv6Network) {
  EXPECT_EQ(Of(AF_INET6, "2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  EXPECT_EQ(Of(AF_INET6, "2001:db8:1:2:ffff::1"), "2001:db8:1:2::/64");
  EXPECT_EQ(Of(AF_INET6, "::1"), "::/64");
}

TEST(ClientOf, IsNeverEmpty) {
  EXPECT_EQ(ClientOf(sockaddr_storage{}), "unknown");
}

TEST(IsLoopbackTest, KnowsThisMachine) {
  for (const char* here : {"127.0.0.1", "127.9.9.9"}) {
    EXPECT_TRUE(IsLoopback(Peer(AF_INET, here))) << here;
  }
  for (const char* here : {"::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(IsLoopback(Peer(AF_INET6, here))) << here;
  }
  EXPECT_FALSE(IsLoopback(Peer(AF_INET, "128.0.0.1")));
  EXPECT_FALSE(IsLoopback(Peer(AF_INET, "1.127.0.1")));
  for (const char* elsewhere : {"::", "::2", "::ffff:10.0.0.1", "127::", "fe80::1"}) {
    EXPECT_FALSE(IsLoopback(Peer(AF_INET6, elsewhere))) << elsewhere;
  }
  EXPECT_FALSE(IsLoopback(sockaddr_storage{}));
}

}  // namespace
}  // namespace http
