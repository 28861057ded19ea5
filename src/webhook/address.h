#pragma once

#include <array>
#include <cstdint>

namespace webhook {

// In network order.
using V4 = std::array<unsigned char, 4>;
using V6 = std::array<unsigned char, 16>;

// Whether an address is one of the public Internet: none of those that IANA's registries of
// special-purpose addresses have as not globally reachable, no multicast, and none that carries an
// IPv4 address which is not (mapped, 6to4, NAT64 and their like, which are refused as a whole).
bool IsPublic(const V4& address);
bool IsPublic(const V6& address);

}  // namespace webhook
