#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "http/cors.h"
#include "job/session.h"
#include "service/service.h"

namespace boost::asio {
class io_context;
}

namespace http {

struct Options {
  std::string host = "0.0.0.0";
  uint16_t port = 8080;  // 0: any free one
  base::Nanos read_timeout =
      5 * base::kSecond;  // a whole request, from its first byte; idle connections likewise
  base::Nanos write_timeout = 10 * base::kSecond;  // a whole response
  int64_t max_body_bytes = 32LL << 20;
  int64_t max_header_bytes = 16LL << 10;
  // Further ones wait in the kernel's backlog. One client may have three quarters of them; what it
  // opens beyond that is closed.
  int max_connections = 4096;
  base::Nanos max_wait = 60 * base::kSecond;  // the longest ?wait=
  // What all connections keep of large bodies and answers; at least four bodies of the largest
  // size.
  int64_t max_held_bytes = 512LL << 20;
  CorsPolicy cors = {};
  int sessions = 16;  // interactive connections
  base::Nanos session_idle = 5 * base::kMinute;
};

// A container that jobs run in, for GET /health.
struct ContainerHealth {
  std::string name;
  std::vector<std::string> languages;
  std::string state;
  int slots = 0;
  int running = 0;
  std::string error;
};

// What GET /health tells besides the store's state.
struct HealthInfo {
  std::string version;
  std::string isolation;
  std::string store;
  std::string backend;
  // "all", "api", or "worker": that one answers nothing but /health, /health/live and
  // /health/ready.
  std::string role = "all";
  bool metrics_for_all = false;               // else GET /metrics is for clients on this machine
  std::vector<std::string> not_limited = {};  // what the isolation level does not limit
  std::function<std::vector<ContainerHealth>()> containers = {};  // of the docker backend
  // As sandbox::Backend::FreshenMetrics; empty: there is nothing to do.
  std::function<void(std::function<void()>)> freshen_metrics = {};
  std::function<uint32_t()> quarantined = {};  // as sandbox::Backend's; empty: there are none
};

// Where interactive jobs run, asked for each; it may answer null. Empty: nowhere, and `why_not`
// says why.
struct SessionSource {
  std::function<job::SessionHost*()> host;
  std::string why_not = "this node runs no interactive programs";
};

// The HTTP face of a Service. One event loop, one thread. The service must outlive it.
class Server {
 public:
  Server(boost::asio::io_context& loop, Options options, HealthInfo health,
         service::Service& service, SessionSource sessions = {});
  ~Server();  // NOLINT(bugprone-exception-escape): as in server.cc

  // Binds and accepts. Errors: the address is in use or wrong. Returns the port.
  base::Result<uint16_t> Listen();

  // Stops accepting, lets requests under way finish, wakes waits with the job as it stands, and
  // calls `closed` once, at `deadline` from now at the latest.
  void Stop(base::Nanos deadline, std::function<void()> closed);

  // Of large bodies and answers, at the moment. On the event loop's thread.
  int64_t held_bytes() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace http
