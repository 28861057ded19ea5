#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

// Bytes and text. Thread-safe, non-blocking.
namespace base {

// Strict UTF-8 as RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool IsValidUtf8(std::string_view bytes);

// Whether it has a control character of ASCII or Latin-1 (C0, DEL, C1). REQUIRES: valid UTF-8.
bool HasControlCharacters(std::string_view text);

// The longest prefix of `bytes` of at most `max` bytes that does not end inside a UTF-8 sequence.
// Used when a capture is cut at its cap, so that the cut itself does not make valid text invalid.
std::string_view TruncateUtf8(std::string_view bytes, size_t max);

// For the path of a URL: everything but letters, digits and "-._~/" as %XX.
std::string PercentEncode(std::string_view bytes);

std::string Base64Encode(std::string_view bytes);

// Standard alphabet with padding; white space or wrong padding is kInvalidArgument.
Result<std::string> Base64Decode(std::string_view text);

std::string HexEncode(std::string_view bytes);  // lower case

// Of either case; nullopt when it is none.
std::optional<std::string> HexDecode(std::string_view text);

// `text` with control characters, quotes and invalid bytes escaped, cut to `max` bytes: safe in a
// log line or an error message.
std::string Printable(std::string_view text, size_t max = 200);

// Without spaces and tabs at both ends.
std::string_view Trim(std::string_view text);

// Of ASCII letters only.
bool EqualsIgnoringCase(std::string_view a, std::string_view b);

// `bytes` random bytes from getrandom(2), in URL-safe base64 without padding.
std::string RandomId(size_t bytes = 16);

}  // namespace base
