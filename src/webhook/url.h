#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace webhook {

// Where a webhook goes.
struct Url {
  bool tls = false;
  std::string host;  // a name, or an address without brackets
  uint16_t port = 0;
  std::string target;  // path and query: begins with '/'

  // As the Host field has it: with brackets, and with the port unless it is the scheme's own.
  std::string Authority() const;
};

constexpr size_t kMaxUrl = 2048;

// Reads an http or https URL strictly: no user, no fragment, nothing but printable ASCII; a host
// that is an IPv4 or IPv6 address in its usual form, or a name of letters, digits, '-' and '.' that
// does not look like a number (as 0x7f.1 and 2130706433 do, which resolvers take for addresses).
// The error says what is accepted.
base::Result<Url> ParseUrl(std::string_view text);

// What the operator allows.
struct Policy {
  bool enabled = false;
  bool allow_private = false;  // addresses that are not public, too
  std::vector<uint16_t> ports = {80, 443};
};

// Why a URL cannot be that of a webhook; nullopt: it can, unless its name turns out to be that of
// an address that is not allowed.
std::optional<std::string> UrlProblem(const Policy& policy, std::string_view text);

}  // namespace webhook
