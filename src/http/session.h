#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/unique_fd.h"
#include "http/budget.h"
#include "http/handlers.h"
#include "http/server.h"

// One client connection, from accept to close.
namespace http {

// Shared by all connections of a server.
struct SessionContext {
  Options options;
  std::shared_ptr<Handlers> handlers;
  Budget budget{512LL << 20};
  bool stopping = false;
};

class Session {
 public:
  virtual ~Session() = default;

  // Closes the connection when the request under way, if any, is answered; ends its wait.
  virtual void Drain() = 0;

  // Closes the connection now.
  virtual void Close() = 0;
};

// Serves the requests of `client` on the connected non-blocking socket `fd`. `closed` comes once,
// never from within the call, when the socket is closed. nullptr: the event loop cannot take the
// socket (which is closed).
std::shared_ptr<Session> StartSession(boost::asio::io_context& loop, base::UniqueFd fd, bool ipv6,
                                      std::string client,
                                      std::shared_ptr<const SessionContext> context,
                                      std::function<void()> closed);

}  // namespace http
