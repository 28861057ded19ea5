#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/message.h"

// Which web pages may read answers (Fetch Standard, CORS protocol). Credentials are never allowed:
// this service has no cookies.
namespace http {

// Empty: no page may do more than read what CorsFields calls open.
struct CorsPolicy {
  bool any = false;                  // "*"
  std::vector<std::string> origins;  // as browsers send them: "https://example.org:8443"
};

// "*", or origins separated by commas; empty text: none. Error: what is accepted.
base::Result<CorsPolicy> ParseCorsPolicy(std::string_view text);

// Whether the operator lets pages of this origin use the service.
bool Allows(const CorsPolicy& policy, std::string_view origin);

// The fields for an answer to a page of `origin` (empty: not a page). `open`: every page may read
// it, because it is a GET that tells of no job, or only of a job whose id the page must know.
Params CorsFields(const CorsPolicy& policy, std::string_view origin, bool open);

// What the answer to a preflight, OPTIONS with Access-Control-Request-Method, has besides;
// `methods` as in Allow. Nothing for a page that is not allowed.
Params PreflightFields(const CorsPolicy& policy, std::string_view origin, std::string_view methods);

}  // namespace http
