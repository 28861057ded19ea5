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

// Who is at the other end.
struct Peer {
  std::string client;     // ClientOf the address
  bool loopback = false;  // the address is this machine's own
};

class Session {
 public:
  virtual ~Session() = default;

  // Closes the connection when the request under way, if any, is answered; ends its wait.
  virtual void Drain() = 0;

  // Closes the connection now.
  virtual void Close() = 0;
};

// Serves the requests of `peer` on the connected non-blocking socket `fd`. `closed` comes once,
// never from within the call, when the socket is closed. nullptr: the event loop cannot take the
// socket (which is closed).
std::shared_ptr<Session> StartSession(boost::asio::io_context& loop, base::UniqueFd fd, bool ipv6,
                                      Peer peer, std::shared_ptr<const SessionContext> context,
                                      std::function<void()> closed);

}  // namespace http
