// The calls below /v1/keys.
#include <utility>

#include "http/handlers.h"
#include "http/problem.h"
#include "job/json.h"

namespace http {

void Handlers::CreateKey(const Request& request, std::shared_ptr<Exchange> exchange) {
  service_.CreateKey(
      request.body, request.caller,
      [exchange = std::move(exchange), request_id = request.id](const std::optional<job::Key>& key,
                                                                const std::string& secret,
                                                                const service::Refusal& refusal) {
        exchange->reply(key ? Response{201, "application/json", {}, job::ToKeyJson(*key, secret)}
                            : Problem(refusal, request_id));
      });
}

void Handlers::ListKeys(const Request& request, std::shared_ptr<Exchange> exchange) {
  service_.ListKeys(request.caller, [exchange = std::move(exchange), request_id = request.id](
                                        const std::optional<std::vector<job::Key>>& keys,
                                        const service::Refusal& refusal) {
    exchange->reply(keys ? Response{200, "application/json", {}, job::ToKeyListJson(*keys)}
                         : Problem(refusal, request_id));
  });
}

void Handlers::RevokeKey(Request request, std::shared_ptr<Exchange> exchange) {
  service_.RevokeKey(
      std::move(request.path_param), request.caller,
      [exchange = std::move(exchange),
       request_id = request.id](const std::optional<service::Refusal>& refusal) {
        exchange->reply(refusal ? Problem(*refusal, request_id) : Response{204, "", {}, ""});
      });
}

}  // namespace http
