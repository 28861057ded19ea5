#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "base/time.h"
#include "http/access.h"
#include "http/budget.h"
#include "http/cors.h"
#include "http/framing.h"
#include "http/interactive.h"
#include "http/message.h"
#include "http/router.h"
#include "http/server.h"
#include "service/service.h"

namespace http {

// What each endpoint does, free of sockets. On the event loop's thread; loop and service must
// outlive it or its Close.
class Handlers : public std::enable_shared_from_this<Handlers> {
 public:
  struct Limits {
    base::Nanos max_wait = 60 * base::kSecond;
    size_t max_waiters = 10'000;  // further waits are refused
    Budget budget{512LL << 20};   // for the ends of event streams, and for interactive sessions
    Interactive::Options interactive = {};
    int sessions = 16;  // interactive ones
    CorsPolicy cors = {};
  };

  Handlers(boost::asio::io_context& loop, Limits limits, HealthInfo health,
           service::Service& service, SessionSource sessions);

  // Answers through exchange->reply once.
  void Handle(Endpoint endpoint, Request request, std::shared_ptr<Exchange> exchange);

  // For GET /v1/interactive with the header of a request: the session that takes the connection
  // over, or null, and why not.
  std::shared_ptr<Interactive> Upgrade(const Header& header, const Request& request,
                                       std::optional<Response>* refusal);

  // From now on the service is not called any more; what is under way is never answered.
  void Close();

  Access& access() { return access_; }

  size_t waiters() const { return waits_.size(); }

 private:
  class Wait;
  using Outcome = service::Service::OnJob;

  std::optional<Response> OfOtherRole(Endpoint endpoint, const Request& request) const;
  void Health(bool details, const Request& request, std::shared_ptr<Exchange> exchange);
  void Metrics(const Request& request, std::shared_ptr<Exchange> exchange);
  Response Languages() const;
  void Execute(Request request, std::shared_ptr<Exchange> exchange);
  void Batch(Request request, std::shared_ptr<Exchange> exchange);
  void WaitForBatch(const service::Service::Batch& batch, const service::Caller& caller,
                    const std::string& request_id, const std::shared_ptr<Exchange>& exchange);
  void GetJob(Request request, std::shared_ptr<Exchange> exchange);
  void CancelJob(Request request, std::shared_ptr<Exchange> exchange);
  void ListJobs(const Request& request, std::shared_ptr<Exchange> exchange);
  void GetFile(Request request, std::shared_ptr<Exchange> exchange);
  void Events(Request request, std::shared_ptr<Exchange> exchange);
  void CreateKey(const Request& request, std::shared_ptr<Exchange> exchange);
  void ListKeys(const Request& request, std::shared_ptr<Exchange> exchange);
  void RevokeKey(Request request, std::shared_ptr<Exchange> exchange);
  // Calls `outcome` with the job once it is final, or as it stands when `wait` is over.
  // For a response with the ids of jobs that were stored for the sake of a wait.
  void ReplyDurably(Response response, const std::string& request_id,
                    const std::shared_ptr<Exchange>& exchange);
  // `end` as in Wait::Start.
  void StartWait(std::string id, service::Caller caller, base::Nanos wait,
                 std::shared_ptr<service::Service::EndWatch> end,
                 std::shared_ptr<Exchange> exchange, Outcome outcome);

  boost::asio::io_context& loop_;
  Limits limits_;
  HealthInfo health_;
  service::Service& service_;
  Access access_{service_.keys()};
  const SessionSource sessions_;
  Lobby lobby_;
  std::unordered_set<Wait*> waits_;
  bool closed_ = false;
  const std::shared_ptr<bool> open_ = std::make_shared<bool>(true);  // !closed_, for event streams
};

}  // namespace http
