#include "base/text.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace base {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// The length of the valid UTF-8 sequence at the front of `s`, 0 when there is none.
size_t SequenceLength(std::string_view s) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  const auto tail = [&](size_t i) { return i < s.size() && (at(i) & 0xC0) == 0x80; };
  const unsigned char c = at(0);
  if (c < 0x80) {
    return 1;
  }
  if (c >= 0xC2 && c <= 0xDF) {
    return tail(1) ? 2 : 0;
  }
  if (c >= 0xE0 && c <= 0xEF) {
    if (!tail(1) || !tail(2)) {
      return 0;
    }
    const bool overlong = c == 0xE0 && at(1) < 0xA0;
    const bool surrogate = c == 0xED && at(1) > 0x9F;
    return overlong || surrogate ? 0 : 3;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3)) {
      return 0;
    }
    const bool overlong = c == 0xF0 && at(1) < 0x90;
    const bool too_large = c == 0xF4 && at(1) > 0x8F;
    return overlong || too_large ? 0 : 4;
  }
  return 0;
}

}  // namespace

bool IsValidUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t n = SequenceLength(bytes);
    if (n == 0) {
      return false;
    }
    bytes.remove_prefix(n);
  }
  return true;
}

bool HasControlCharacters(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool c1 = c == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c < 0x20 || c == 0x7F || c1) {
      return true;
    }
  }
  return false;
}

std::string_view TruncateUtf8(std::string_view bytes, size_t max) {
  if (bytes.size() <= max) {
    return bytes;
  }
  // Step back over at most three continuation bytes to the start of the sequence that the cut
  // splits.
  size_t start = max;
  while (start > 0 && max - start < 3 &&
         (static_cast<unsigned char>(bytes[start]) & 0xC0) == 0x80) {
    --start;
  }
  const size_t n = SequenceLength(bytes.substr(start));
  return bytes.substr(0, n > 1 && start + n > max ? start : max);
}

std::string PercentEncode(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~/").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

std::string Base64Encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t word = 0;
    for (size_t k = 0; k < 3; ++k) {
      word = word << 8 | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (size_t k = 0; k < 4; ++k) {
      out += k <= n ? kAlphabet[word >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

Result<std::string> Base64Decode(std::string_view text) {
  if (text.size() % 4 != 0) {
    return InvalidArgument("base64 text must have a length that is a multiple of 4");
  }
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (size_t i = 0; i < text.size(); i += 4) {
    uint32_t word = 0;
    size_t padding = 0;
    for (size_t k = 0; k < 4; ++k) {
      const char c = text[i + k];
      const bool last_group = i + 4 == text.size();
      if (c == '=' && last_group && k >= 2) {
        ++padding;
        word <<= 6;
        continue;
      }
      const size_t index = kAlphabet.find(c);
      if (index == std::string_view::npos || padding > 0) {
        return InvalidArgument("not base64 at offset " + std::to_string(i + k));
      }
      word = word << 6 | static_cast<uint32_t>(index);
    }
    for (size_t k = 0; k + padding < 3; ++k) {
      out += static_cast<char>(word >> (16 - 8 * k) & 0xFF);
    }
  }
  return out;
}

std::string HexEncode(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::optional<std::string> HexDecode(std::string_view text) {
  const auto value = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::string out;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    if (value(text[i]) < 0 || value(text[i + 1]) < 0) {
      return std::nullopt;
    }
    out += static_cast<char>(value(text[i]) * 16 + value(text[i + 1]));
  }
  return text.size() % 2 == 0 ? std::optional(std::move(out)) : std::nullopt;
}

std::string Printable(std::string_view text, size_t max) {
  std::string out;
  const std::string_view whole = text;
  text = text.substr(0, max);
  while (!text.empty()) {
    const size_t n = SequenceLength(text);
    const auto c = static_cast<unsigned char>(text[0]);
    if (n == 0 || c < 0x20 || c == 0x7F || c == '"' || c == '\\') {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\x%02x", c);
      out += escaped.data();
      text.remove_prefix(1);
    } else {
      out += text.substr(0, n);
      text.remove_prefix(n);
    }
  }
  return whole.size() > max ? out + "..." : out;
}

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

std::string RandomId(size_t bytes) {
  std::string raw(bytes, '\0');
  // Up to 256 bytes are never partial and never interrupted once the pool is ready (getrandom(2)).
  if (bytes > 256 || ::getrandom(raw.data(), raw.size(), 0) != static_cast<ssize_t>(bytes)) {
    std::abort();  // without randomness ids could repeat: nothing may go on
  }
  std::string id = Base64Encode(raw);
  while (!id.empty() && id.back() == '=') {
    id.pop_back();
  }
  for (char& c : id) {
    c = c == '+' ? '-' : c == '/' ? '_' : c;
  }
  return id;
}

}  // namespace base
