#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/time.h"
#include "base/unique_fd.h"
#include "http/budget.h"
#include "http/framing.h"
#include "http/message.h"
#include "job/session.h"
#include "service/service.h"

namespace boost::asio {
class io_context;
}

namespace http {

// The places of interactive connections. One client may have three quarters of them, so that there
// is something left for others. Single-threaded. Seats may outlive it.
class Lobby {
 public:
  explicit Lobby(int seats);

  using Seat = std::shared_ptr<void>;

  // Null: there is none for this client. `full`: nor for anybody else.
  Seat Take(const std::string& client, bool* full);

  int taken() const;

 private:
  struct Books {
    int seats = 0;
    int taken = 0;
    std::unordered_map<std::string, int> by_client;
  };

  std::shared_ptr<Books> books_;
};

// One WebSocket of GET /v1/interactive, from its handshake to its close: docs/api.md has the
// messages. What the program writes comes from the store, as for event streams; what the client
// says goes to the program directly. With the connection the job is over. On the event loop's
// thread.
class Interactive {
 public:
  struct Options {
    base::Nanos read_timeout = 5 * base::kSecond;    // for the first message
    base::Nanos write_timeout = 10 * base::kSecond;  // for each 32 KiB
    base::Nanos idle_timeout = 5 * base::kMinute;    // neither side says anything
    size_t max_first_message = size_t{32} << 20;
  };

  // Who is at the other end, and what it takes.
  struct Client {
    service::Caller caller;
    std::string request_id;
    Lobby::Seat seat;
    std::shared_ptr<Exchange> exchange;  // kept, that its key can be revoked
  };

  // Null when there is none any more.
  using Host = std::function<job::SessionHost*()>;

  // `open`: false once the service may not be called any more.
  static std::shared_ptr<Interactive> Make(boost::asio::io_context& loop, Options options,
                                           service::Service& service,
                                           std::shared_ptr<const bool> open, Host host,
                                           const Budget& budget, Client client);

  virtual ~Interactive() = default;

  // Answers the handshake, which CheckHandshake has passed, on the connected socket, and serves it.
  // `closed` comes once, never from within the call, when the connection is closed.
  virtual void Start(base::UniqueFd socket, bool ipv6, const Header& header,
                     std::function<void()> closed) = 0;

  enum class Reason { kStop, kRevoked };  // the service stops; the client's key is no good any more

  // Says why and closes.
  virtual void End(Reason reason) = 0;

  // Closes the connection now.
  virtual void Close() = 0;
};

}  // namespace http
