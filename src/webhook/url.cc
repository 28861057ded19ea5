#include "webhook/url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "webhook/address.h"

namespace webhook {
namespace {

constexpr size_t kMaxHost = 253;
constexpr size_t kMaxLabel = 63;
constexpr uint16_t kHttpPort = 80;
constexpr uint16_t kHttpsPort = 443;

bool IsAddress(int family, const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  return ::inet_pton(family, text.c_str(), address.data()) == 1;
}

bool IsNumber(std::string_view label) {
  const bool hex = label.starts_with("0x") || label.starts_with("0X");
  return label.find_first_not_of(hex ? "0123456789abcdefABCDEFxX" : "0123456789") ==
         std::string_view::npos;
}

// The URL Standard takes a host whose last label is a number for an IPv4 address.
bool IsName(std::string_view host) {
  if (host.ends_with('.')) {
    host.remove_suffix(1);
  }
  if (host.empty() || host.size() > kMaxHost) {
    return false;
  }
  for (;;) {
    const std::string_view label = host.substr(0, host.find('.'));
    const bool good = !label.empty() && label.size() <= kMaxLabel && label.front() != '-' &&
                      label.back() != '-' && std::all_of(label.begin(), label.end(), [](char c) {
                        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                               (c >= '0' && c <= '9') || c == '-' || c == '_';
                      });
    if (!good || label.size() == host.size()) {
      return good && !IsNumber(label);
    }
    host.remove_prefix(label.size() + 1);
  }
}

base::Error Refused(const char* why) {
  return base::InvalidArgument(
      std::string("must be an http or https URL such as \"https://example.org/done\"") + why);
}

}  // namespace

std::string Url::Authority() const {
  std::string text = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (tls ? kHttpsPort : kHttpPort) ? text : text + ":" + std::to_string(port);
}

base::Result<Url> ParseUrl(std::string_view text) {
  if (text.size() > kMaxUrl) {
    return Refused(" of at most 2048 characters");
  }
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; })) {
    return Refused(" of printable ASCII characters");
  }
  Url url;
  const std::string_view scheme = text.substr(0, text.find("://"));
  url.tls = base::EqualsIgnoringCase(scheme, "https");
  if (scheme.size() == text.size() || (!url.tls && !base::EqualsIgnoringCase(scheme, "http"))) {
    return Refused("");
  }
  text.remove_prefix(scheme.size() + 3);
  if (text.find_first_of("#\\") != std::string_view::npos) {
    return Refused(", without a fragment");
  }
  std::string_view authority = text.substr(0, text.find_first_of("/?"));
  url.target = text.substr(authority.size());
  if (!url.target.starts_with('/')) {
    url.target.insert(0, 1, '/');
  }
  if (authority.find('@') != std::string_view::npos) {
    return Refused(", without a user");
  }
  const bool bracket = authority.starts_with('[');
  const size_t end = bracket ? authority.find(']') : authority.rfind(':');
  const std::string_view host =
      bracket ? authority.substr(1, end == std::string_view::npos ? 0 : end - 1)
              : authority.substr(0, end);
  std::string_view port = end == std::string_view::npos ? "" : authority.substr(end);
  if (bracket && port.starts_with(']')) {
    port.remove_prefix(1);
  }
  url.host = host;
  const bool good =
      bracket ? IsAddress(AF_INET6, url.host) : IsAddress(AF_INET, url.host) || IsName(host);
  if (!good) {
    return Refused(", with the name of a host or its address");
  }
  url.port = url.tls ? kHttpsPort : kHttpPort;
  if (!port.empty()) {
    int number = 0;
    const char* const last = port.data() + port.size();
    const auto [rest, error] = std::from_chars(port.data() + 1, last, number);
    if (port.front() != ':' || error != std::errc() || rest != last || number < 1 ||
        number > 65535) {
      return Refused(", with a port from 1 to 65535");
    }
    url.port = static_cast<uint16_t>(number);
  }
  return url;
}

std::optional<std::string> UrlProblem(const Policy& policy, std::string_view text) {
  if (!policy.enabled) {
    return "webhooks are off; HTTP_WEBHOOKS of the service opens them";
  }
  const base::Result<Url> url = ParseUrl(text);
  if (!url) {
    return url.error().message;
  }
  if (std::find(policy.ports.begin(), policy.ports.end(), url->port) == policy.ports.end()) {
    std::string ports;
    for (const uint16_t port : policy.ports) {
      ports += (ports.empty() ? "" : ", ") + std::to_string(port);
    }
    return "must have one of these ports: " + ports;
  }
  V4 v4{};
  V6 v6{};
  const bool refused = (::inet_pton(AF_INET, url->host.c_str(), v4.data()) == 1 && !IsPublic(v4)) ||
                       (::inet_pton(AF_INET6, url->host.c_str(), v6.data()) == 1 && !IsPublic(v6));
  if (refused && !policy.allow_private) {
    return "must not be an address that is private, of this machine, link-local, multicast or "
           "reserved";
  }
  return std::nullopt;
}

}  // namespace webhook
