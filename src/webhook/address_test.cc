#include "webhook/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <string>

namespace webhook {
namespace {

bool IsPublicText(const std::string& text) {
  V4 v4{};
  if (::inet_pton(AF_INET, text.c_str(), v4.data()) == 1) {
    return IsPublic(v4);
  }
  V6 v6{};
  EXPECT_EQ(::inet_pton(AF_INET6, text.c_str(), v6.data()), 1) << text;
  return IsPublic(v6);
}

TEST(Address, ThoseOfTheInternetArePublic) {
  for (const char* text :
       {"1.1.1.1",         "8.8.8.8",         "93.184.216.34",        "9.255.255.255",
        "11.0.0.0",        "100.63.255.255",  "100.128.0.0",          "126.255.255.255",
        "128.0.0.0",       "169.253.255.255", "172.15.255.255",       "172.32.0.0",
        "192.167.255.255", "192.169.0.0",     "198.17.255.255",       "198.20.0.0",
        "223.255.255.255", "2606:4700::1111", "2001:4860:4860::8888", "2a00::1",
        "2001:200::1"}) {
    EXPECT_TRUE(IsPublicText(text)) << text;
  }
}

TEST(Address, OthersAreNot) {
  for (const char* text : {"0.0.0.0",
                           "0.1.2.3",
                           "10.0.0.1",
                           "100.64.0.1",
                           "127.0.0.1",
                           "127.255.255.255",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.0.0.1",
                           "192.0.2.1",
                           "192.88.99.1",
                           "192.168.1.1",
                           "198.18.0.1",
                           "198.19.255.255",
                           "198.51.100.1",
                           "203.0.113.1",
                           "224.0.0.1",
                           "239.255.255.255",
                           "240.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "::ffff:1.1.1.1",
                           "::ffff:127.0.0.1",
                           "::127.0.0.1",
                           "64:ff9b::7f00:1",
                           "64:ff9b:1::1",
                           "100::1",
                           "fc00::1",
                           "fd12::1",
                           "fe80::1",
                           "fec0::1",
                           "ff02::1",
                           "2001::1",
                           "2001:10::1",
                           "2001:db8::1",
                           "2002:7f00:1::",
                           "3fff::1",
                           "4000::1",
                           "5f00::1"}) {
    EXPECT_FALSE(IsPublicText(text)) << text;
  }
}

}  // namespace
}  // namespace webhook
