#include "http/handshake.h"

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <string>

#include "base/text.h"
#include "http/problem.h"

namespace http {
namespace {

constexpr size_t kKeyBytes = 16;
constexpr std::string_view kVersion = "13";

bool HasToken(std::string_view list, std::string_view token) {
  return boost::beast::http::token_list(boost::beast::string_view(list.data(), list.size()))
      .exists(boost::beast::string_view(token.data(), token.size()));
}

}  // namespace

Response UpgradeRequired(std::string_view request_id) {
  Response response = Problem(426, "this is for WebSocket clients, version 13", request_id);
  response.headers.emplace_back("Upgrade", "websocket");
  response.headers.emplace_back("Sec-WebSocket-Version", kVersion);
  return response;
}

std::optional<Response> CheckHandshake(const Header& header, const CorsPolicy& cors,
                                       std::string_view request_id) {
  if (header.version() != 11 || !HasToken(FieldOf(header, "Connection"), "upgrade") ||
      !HasToken(FieldOf(header, "Upgrade"), "websocket") ||
      FieldOf(header, "Sec-WebSocket-Version") != kVersion) {
    return UpgradeRequired(request_id);
  }
  const auto key = base::Base64Decode(FieldOf(header, "Sec-WebSocket-Key"));
  if (header.count("Sec-WebSocket-Key") != 1 || !key || key->size() != kKeyBytes) {
    return Problem(400, "Sec-WebSocket-Key must be 16 bytes in base64", request_id);
  }
  const std::string_view origin = FieldOf(header, "Origin");
  const std::string host(FieldOf(header, "Host"));
  if (header.count("Origin") > 1 || (!origin.empty() && !Allows(cors, origin) &&
                                     origin != "http://" + host && origin != "https://" + host)) {
    return Problem(403,
                   "pages of this origin may not use the service; HTTP_CORS_ORIGINS names those "
                   "that may",
                   request_id);
  }
  return std::nullopt;
}

}  // namespace http
