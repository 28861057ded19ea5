#include "http/access.h"

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <utility>

#include "base/text.h"
#include "base/time.h"
#include "http/problem.h"

namespace http {
namespace {

constexpr std::string_view kScheme = "Bearer";

// Empty: the field is not that of one key.
std::string_view SecretOf(std::string_view field) {
  const std::string_view scheme = field.substr(0, field.find(' '));
  if (!base::EqualsIgnoringCase(scheme, kScheme)) {
    return {};
  }
  const std::string_view secret = base::Trim(field.substr(scheme.size()));
  return job::IsSecret(secret) ? secret : std::string_view();
}

Response Unknown(std::string_view request_id) {
  const service::Refusal refusal{
      service::Refusal::Kind::kUnavailable, "the job store has not told its keys yet", {}};
  return Problem(refusal, request_id);
}

}  // namespace

Response Unauthorized(std::string_view detail, std::string_view request_id) {
  Response response = Problem(401, detail, request_id);
  response.headers.emplace_back("WWW-Authenticate", R"(Bearer realm="code-sandbox")");
  return response;
}

std::optional<Response> Access::Check(const Header& header, const Match& match,
                                      std::string_view request_id, service::Caller* caller) {
  if (!match.needs_key) {
    return std::nullopt;
  }
  const std::optional<bool> required = keys_.required();
  if (!required) {
    return Unknown(request_id);
  }
  if (!*required) {
    return std::nullopt;
  }
  const auto fields = header.count("Authorization");
  if (fields == 0) {
    return Unauthorized("a key is needed: the header field \"Authorization: Bearer KEY\"",
                        request_id);
  }
  const std::string_view secret = fields == 1 ? SecretOf(FieldOf(header, "Authorization")) : "";
  const service::Keys::KeyPtr key = secret.empty() ? nullptr : keys_.Find(secret);
  if (key == nullptr && !secret.empty() && !keys_.revision()) {
    return Unknown(request_id);  // it may be one of the store's
  }
  if (key == nullptr) {
    return Refuse(caller->tenant,
                  fields > 1 ? "Authorization is given more than once" : "the key is not valid",
                  request_id);
  }
  caller->tenant = job::TenantOf(*key);
  caller->key = key;
  return std::nullopt;
}

Response Access::Refuse(const std::string& client, std::string_view detail,
                        std::string_view request_id) {
  const job::RateState left = wrong_.Take(client, kWrongKeys, 1, base::MonotonicNow());
  if (left.granted == 0) {
    const service::Refusal refusal{service::Refusal::Kind::kOverloaded,
                                   "too many wrong keys came from this address, try again later",
                                   {},
                                   left.retry};
    return Problem(refusal, request_id);
  }
  return Unauthorized(detail, request_id);
}

void Access::Follow(const service::Caller& caller, const std::string& request_id,
                    const std::shared_ptr<Exchange>& exchange) {
  if (caller.key == nullptr) {
    return;
  }
  (*followed_)[caller.key->id].emplace(exchange.get(), exchange);
  const auto forget = [followed = followed_, id = caller.key->id](Exchange* ended) {
    const auto of_key = followed->find(id);
    of_key->second.erase(ended);
    if (of_key->second.empty()) {
      followed->erase(of_key);
    }
  };
  // Only its deleter is of use: it runs when the exchange is over.
  exchange->guard = std::shared_ptr<void>(
      nullptr, [forget, raw = exchange.get()](std::nullptr_t) { forget(raw); });
  exchange->reply = [this, alive = std::weak_ptr(followed_), caller, request_id,
                     reply = std::move(exchange->reply)](Response response) {
    if (alive.expired()) {
      return;
    }
    const bool revoked = !keys_.IsCurrent(*caller.key);
    reply(revoked ? Unauthorized("the key has been revoked", request_id) : std::move(response));
  };
}

void Access::End(const job::Key& key) {
  const auto of_key = followed_->find(key.id);
  if (of_key == followed_->end()) {
    return;
  }
  const Followed followed = of_key->second;  // an end may lead to that of its exchange
  for (const auto& [raw, weak] : followed) {
    const std::shared_ptr<Exchange> exchange = weak.lock();
    if (exchange && !exchange->cancelled) {
      exchange->cancelled = true;
      const std::function<void()> cancel = exchange->cancel;
      cancel();
    }
  }
}

void TellRate(const service::Caller& caller, const service::Service::RateLeft& left,
              Exchange* exchange) {
  if (!left) {
    return;
  }
  // In whole seconds, so rounded up.
  const base::Nanos reset = (left->reset + base::kSecond - 1) / base::kSecond;
  exchange->headers.emplace_back("X-RateLimit-Limit", std::to_string(caller.key->rate.count));
  exchange->headers.emplace_back("X-RateLimit-Remaining", std::to_string(left->remaining));
  exchange->headers.emplace_back("X-RateLimit-Reset", std::to_string(reset));
}

}  // namespace http
