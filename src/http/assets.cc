#include "http/assets.h"

#include <cstddef>
#include <string>
#include <string_view>

#include "base/fingerprint.h"
#include "http/embedded.h"

namespace http {
namespace {

// The page runs its own script, with the inline styles that it makes, speaks to this service, and
// nothing else.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

template <size_t size>
Response Make(std::string_view content_type, const char (&text)[size]) {
  const std::string_view body(text, size - 1);
  Response response{200, std::string(content_type), {}, std::string(body)};
  base::Fingerprint state;
  state.Add(body);
  response.etag = state.Hex();
  return response;
}

}  // namespace

Response Asset(Endpoint endpoint) {
  if (endpoint == Endpoint::kOpenApi) {
    return Make("application/json", assets::kOpenApi);
  }
  if (endpoint == Endpoint::kDocsScript) {
    return Make("text/javascript; charset=utf-8", assets::kRapidoc);
  }
  Response page = Make("text/html; charset=utf-8", assets::kDocs);
  page.headers.emplace_back("Content-Security-Policy", kPolicy);
  return page;
}

}  // namespace http
