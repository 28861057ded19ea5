#pragma once

#include <optional>

#include "http/access.h"
#include "http/cors.h"
#include "http/framing.h"
#include "http/message.h"
#include "http/router.h"

// The door: what a request's header decides before its body is read.
namespace http {

// Finds the endpoint and fills `request` and `found`, or answers why not: a path or method that
// there is not, a key that is none, a body that is no JSON, a query or an Idempotency-Key that is
// not valid. REQUIRES: request->id, and request->caller with the client's address.
std::optional<Response> Admit(const Header& header, const CorsPolicy& cors, Access& access,
                              Request* request, Match* found);

}  // namespace http
