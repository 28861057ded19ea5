#include "http/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

namespace http {
namespace {

constexpr size_t kNetworkBytes = 8;  // of a /64
constexpr size_t kMappedPrefix = 12;

std::string Text(int family, const void* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const char* written = ::inet_ntop(family, address, text.data(), text.size());
  return written != nullptr ? written : "unknown";
}

}  // namespace

std::string ClientOf(const sockaddr_storage& peer) {
  if (peer.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &peer, sizeof(v4));
    return Text(AF_INET, &v4.sin_addr);
  }
  if (peer.ss_family != AF_INET6) {
    return "unknown";
  }
  sockaddr_in6 v6{};
  std::memcpy(&v6, &peer, sizeof(v6));
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    return Text(AF_INET, std::begin(v6.sin6_addr.s6_addr) + kMappedPrefix);
  }
  std::fill(std::begin(v6.sin6_addr.s6_addr) + kNetworkBytes, std::end(v6.sin6_addr.s6_addr), 0);
  return Text(AF_INET6, &v6.sin6_addr) + "/64";
}

bool IsLoopback(const sockaddr_storage& peer) {
  if (peer.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &peer, sizeof(v6));
    if (IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr)) {
      return true;
    }
  }
  return ClientOf(peer).starts_with("127.");
}

}  // namespace http
