#include "http/handlers.h"
#include "http/handshake.h"
#include "http/problem.h"

namespace http {

std::shared_ptr<Interactive> Handlers::Upgrade(const Header& header, const Request& request,
                                               std::optional<Response>* refusal) {
  *refusal = OfOtherRole(Endpoint::kInteractive, request);
  if (!*refusal) {
    *refusal = CheckHandshake(header, limits_.cors, request.id);
  }
  if (!*refusal && !sessions_.host) {
    *refusal = Problem(501, sessions_.why_not, request.id);
  }
  if (*refusal) {
    return nullptr;
  }
  bool full = false;
  Lobby::Seat seat = lobby_.Take(request.caller.tenant, &full);
  if (seat == nullptr || closed_) {
    const auto kind =
        full ? service::Refusal::Kind::kUnavailable : service::Refusal::Kind::kOverloaded;
    *refusal = Problem({kind,
                        full ? "as many interactive sessions are open as may be, try again later"
                             : "this client has as many interactive sessions as one may have",
                        {}},
                       request.id);
    return nullptr;
  }
  const auto exchange = std::make_shared<Exchange>();
  access_.Follow(request.caller, request.id, exchange);
  auto session =
      Interactive::Make(loop_, limits_.interactive, service_, open_, sessions_.host, limits_.budget,
                        Interactive::Client{request.caller, request.id, std::move(seat), exchange});
  exchange->cancel = [weak = std::weak_ptr<Interactive>(session)] {
    if (const auto self = weak.lock()) {
      self->End(Interactive::Reason::kRevoked);
    }
  };
  return session;
}

}  // namespace http
