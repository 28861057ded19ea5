#include "http/cors.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace http {
namespace {

constexpr std::string_view kExposed =
    "Content-Location, ETag, Link, Location, Retry-After, X-RateLimit-Limit, "
    "X-RateLimit-Remaining, "
    "X-RateLimit-Reset, X-Request-Id";
constexpr std::string_view kRequestFields =
    "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, X-Request-Id";
constexpr std::string_view kMaxAge = "600";

// A scheme and an authority, and nothing after them: what RFC 6454 serializes.
bool IsOrigin(std::string_view text) {
  const size_t colon = text.find("://");
  if (colon == std::string_view::npos || colon == 0) {
    return false;
  }
  const std::string_view scheme = text.substr(0, colon);
  const std::string_view authority = text.substr(colon + 3);
  const auto lower = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return std::all_of(scheme.begin(), scheme.end(),
                     [&](char c) { return lower(c) || c == '+' || c == '-' || c == '.'; }) &&
         !authority.empty() && std::all_of(authority.begin(), authority.end(), [&](char c) {
           return lower(c) || std::string_view(".-:[]").find(c) != std::string_view::npos;
         });
}

}  // namespace

base::Result<CorsPolicy> ParseCorsPolicy(std::string_view text) {
  CorsPolicy policy;
  if (text == "*") {
    policy.any = true;
    return policy;
  }
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view one = base::Trim(text.substr(0, comma));
    if (!IsOrigin(one) || (comma + 1 == text.size())) {
      return base::InvalidArgument(
          "\"*\", or origins such as https://example.org:8443 in lower case, separated by commas");
    }
    policy.origins.emplace_back(one);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return policy;
}

bool Allows(const CorsPolicy& policy, std::string_view origin) {
  return policy.any ||
         std::find(policy.origins.begin(), policy.origins.end(), origin) != policy.origins.end();
}

Params CorsFields(const CorsPolicy& policy, std::string_view origin, bool open) {
  Params fields;
  if (!policy.origins.empty()) {
    fields.emplace_back("Vary", "Origin");
  }
  if (origin.empty()) {
    return fields;
  }
  const bool listed = !policy.any && Allows(policy, origin);
  if (listed || policy.any || open) {
    fields.emplace_back("Access-Control-Allow-Origin", listed ? origin : "*");
    fields.emplace_back("Access-Control-Expose-Headers", kExposed);
  }
  return fields;
}

Params PreflightFields(const CorsPolicy& policy, std::string_view origin,
                       std::string_view methods) {
  Params fields;
  if (!origin.empty() && Allows(policy, origin)) {
    fields.emplace_back("Access-Control-Allow-Methods", methods);
    fields.emplace_back("Access-Control-Allow-Headers", kRequestFields);
    fields.emplace_back("Access-Control-Max-Age", kMaxAge);
  }
  return fields;
}

}  // namespace http
