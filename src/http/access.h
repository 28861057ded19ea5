#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "http/framing.h"
#include "http/message.h"
#include "http/router.h"
#include "job/rate.h"
#include "service/service.h"

// Keys in HTTP: the field Authorization (RFC 6750), and the fields that tell of a rate.
namespace http {

// Lets requests in. Single-threaded; the keys must outlive it.
class Access {
 public:
  explicit Access(service::Keys& keys) : keys_(keys) {}

  // Answers why the request may not be served, or puts its key and tenant into `caller`, which
  // comes with the client's address as the tenant. Wrong keys of one address are counted: beyond
  // kWrongKeys they get 429. Good ones are served all the same, so that whoever shares an address
  // with a guesser is not locked out; what is guessed at is too long to be found.
  std::optional<Response> Check(const Header& header, const Match& match,
                                std::string_view request_id, service::Caller* caller);

  // The exchange is one of the caller's key, if it has one: when that is revoked, what takes long
  // ends, and the answer is 401. To be called before the request is handled.
  void Follow(const service::Caller& caller, const std::string& request_id,
              const std::shared_ptr<Exchange>& exchange);

  // Ends the exchanges of a key that has been revoked.
  void End(const job::Key& key);

  static constexpr job::Rate kWrongKeys{60, base::kMinute};

 private:
  Response Refuse(const std::string& client, std::string_view detail, std::string_view request_id);

  using Followed = std::unordered_map<Exchange*, std::weak_ptr<Exchange>>;

  service::Keys& keys_;
  // By the key's id; those that go on.
  std::shared_ptr<std::unordered_map<std::string, Followed>> followed_ =
      std::make_shared<std::unordered_map<std::string, Followed>>();
  job::RateTable wrong_{10'000};  // by address
};

// The answer to a request whose key is none or no good.
Response Unauthorized(std::string_view detail, std::string_view request_id);

// Lets the answer tell what is left of the rate of the caller's key.
void TellRate(const service::Caller& caller, const service::Service::RateLeft& left,
              Exchange* exchange);

}  // namespace http
