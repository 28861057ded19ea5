#pragma once

#include <optional>
#include <string_view>

#include "http/cors.h"
#include "http/framing.h"
#include "http/message.h"

namespace http {

// Why a request to become a WebSocket (RFC 6455, 4.2.1) is refused; nothing when it is not. A page
// in a browser may ask only when it is the service's own or `cors` names it: what CORS keeps pages
// from reading it does not keep them from here.
std::optional<Response> CheckHandshake(const Header& header, const CorsPolicy& cors,
                                       std::string_view request_id);

// The answer to a request that does not ask for it.
Response UpgradeRequired(std::string_view request_id);

}  // namespace http
