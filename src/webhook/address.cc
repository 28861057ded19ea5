#include "webhook/address.h"

#include <algorithm>

namespace webhook {
namespace {

// The first `bits` bits of two addresses are the same.
template <typename Address>
bool HasPrefix(const Address& address, const Address& prefix, int bits) {
  for (size_t i = 0; bits > 0; ++i, bits -= 8) {
    const int mask = bits >= 8 ? 0xFF : 0xFF << (8 - bits) & 0xFF;
    if ((address.at(i) & mask) != (prefix.at(i) & mask)) {
      return false;
    }
  }
  return true;
}

struct V4Block {
  V4 prefix;
  int bits;
};

// RFC 6890 and the registry since.
constexpr V4Block kNotPublic[] = {
    {{0, 0, 0, 0}, 8},        // this network
    {{10, 0, 0, 0}, 8},       // private
    {{100, 64, 0, 0}, 10},    // shared by carriers
    {{127, 0, 0, 0}, 8},      // loopback
    {{169, 254, 0, 0}, 16},   // link-local, metadata of clouds
    {{172, 16, 0, 0}, 12},    // private
    {{192, 0, 0, 0}, 24},     // protocols
    {{192, 0, 2, 0}, 24},     // documentation
    {{192, 31, 196, 0}, 24},  // AS112
    {{192, 52, 193, 0}, 24},  // AMT
    {{192, 88, 99, 0}, 24},   // 6to4 relays
    {{192, 168, 0, 0}, 16},   // private
    {{192, 175, 48, 0}, 24},  // AS112
    {{198, 18, 0, 0}, 15},    // benchmarks
    {{198, 51, 100, 0}, 24},  // documentation
    {{203, 0, 113, 0}, 24},   // documentation
    {{224, 0, 0, 0}, 4},      // multicast
    {{240, 0, 0, 0}, 4},      // reserved, broadcast
};

struct V6Block {
  V6 prefix;
  int bits;
};

// Within 2000::/3, outside of which nothing is public.
constexpr V6Block kNotPublicV6[] = {
    {{0x20, 0x01, 0x00}, 23},              // protocols, Teredo, ORCHID
    {{0x20, 0x01, 0x0d, 0xb8}, 32},        // documentation
    {{0x20, 0x02}, 16},                    // 6to4
    {{0x26, 0x20, 0x00, 0x4f, 0x80}, 48},  // AS112
    {{0x3f, 0xff, 0x00}, 20},              // documentation
};

}  // namespace

bool IsPublic(const V4& address) {
  return std::none_of(std::begin(kNotPublic), std::end(kNotPublic), [&](const V4Block& block) {
    return HasPrefix(address, block.prefix, block.bits);
  });
}

bool IsPublic(const V6& address) {
  constexpr V6 kGlobal = {0x20};
  return HasPrefix(address, kGlobal, 3) &&
         std::none_of(std::begin(kNotPublicV6), std::end(kNotPublicV6), [&](const V6Block& block) {
           return HasPrefix(address, block.prefix, block.bits);
         });
}

}  // namespace webhook
