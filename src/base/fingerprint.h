#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace base {

// FNV-1a of a sequence of texts: tells one state of things from another, guards against nobody who
// chooses them.
class Fingerprint {
 public:
  // The end of a text counts: "ab", "c" differs from "a", "bc".
  void Add(std::string_view text);
  void Add(int64_t number);

  // 16 digits.
  std::string Hex() const;

 private:
  void AddByte(unsigned char byte) { state_ = (state_ ^ byte) * 0x100000001b3ULL; }

  uint64_t state_ = 0xcbf29ce484222325ULL;
};

}  // namespace base
