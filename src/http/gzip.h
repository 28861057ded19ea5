#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "http/message.h"

namespace http {

// Whether an Accept-Encoding field takes gzip (RFC 9110, 12.5.3): named or by "*", and not with a
// weight of 0.
bool AcceptsGzip(std::string_view accept_encoding);

// The body, compressed a slice at a time as the connection takes it: a large one does not hold up
// the event loop.
std::shared_ptr<BodySource> Gzip(std::string body);

}  // namespace http
