#include "base/fingerprint.h"

#include <array>
#include <cstdio>

namespace base {

void Fingerprint::Add(std::string_view text) {
  for (const char c : text) {
    AddByte(static_cast<unsigned char>(c));
  }
  AddByte(0);
}

void Fingerprint::Add(int64_t number) {
  Add(std::string_view(std::to_string(number)));
}

std::string Fingerprint::Hex() const {
  std::array<char, 20> out{};
  std::snprintf(out.data(), out.size(), "%016llx", static_cast<unsigned long long>(state_));
  return out.data();
}

}  // namespace base
