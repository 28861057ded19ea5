#include "http/server.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <chrono>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "base/unique_fd.h"
#include "http/client.h"
#include "http/handlers.h"
#include "http/session.h"

namespace http {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto kAcceptBackOff = std::chrono::milliseconds(100);

// A name resolves to its first IPv4 address when it has one, so that "localhost" is what it was for
// most clients; "::" listens on both.
base::Result<tcp::endpoint> Resolve(asio::io_context& loop, std::string host, uint16_t port) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  error_code error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (!error) {
    return tcp::endpoint(address, port);
  }
  tcp::resolver resolver(loop);
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, error);
  if (error || found.empty()) {
    return base::InvalidArgument("cannot resolve the host \"" + host +
                                 "\": " + (error ? error.message() : "no address"));
  }
  const auto v4 = std::find_if(found.begin(), found.end(), [](const auto& entry) {
    return entry.endpoint().address().is_v4();
  });
  return (v4 != found.end() ? v4 : found.begin())->endpoint();
}

// True for what accept(2) reports about one connection that failed; the next one may be fine.
bool IsAboutOneConnection(int err) {
  switch (err) {
    case EINTR:
    case ECONNABORTED:
    case EPERM:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
      return true;
    default:
      return false;
  }
}

}  // namespace

class Server::Impl : public std::enable_shared_from_this<Server::Impl> {
 public:
  Impl(asio::io_context& loop, Options options, HealthInfo health, service::Service& service,
       SessionSource sessions)
      : loop_(loop),
        context_(std::make_shared<SessionContext>()),
        acceptor_(loop),
        wake_(loop, asio::steady_timer::time_point::max()),
        deadline_(loop) {
    Handlers::Limits limits;
    limits.max_wait = options.max_wait;
    context_->budget = Budget(std::max(options.max_held_bytes, 4 * options.max_body_bytes));
    limits.budget = context_->budget;
    limits.interactive = {options.read_timeout, options.write_timeout, options.session_idle,
                          static_cast<size_t>(options.max_body_bytes)};
    limits.sessions = options.sessions;
    limits.cors = options.cors;
    context_->options = std::move(options);
    context_->handlers = std::make_shared<Handlers>(loop, std::move(limits), std::move(health),
                                                    service, std::move(sessions));
  }

  base::Result<uint16_t> Listen() {
    const Options& options = context_->options;
    const base::Result<tcp::endpoint> endpoint = Resolve(loop_, options.host, options.port);
    if (!endpoint) {
      return endpoint.error();
    }
    error_code error;
    acceptor_.open(endpoint->protocol(), error);
    if (!error) {
      ::fcntl(acceptor_.native_handle(), F_SETFD, FD_CLOEXEC);
      acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    }
    if (!error) {
      acceptor_.bind(*endpoint, error);
    }
    if (!error) {
      acceptor_.listen(asio::socket_base::max_listen_connections, error);
    }
    if (!error) {
      acceptor_.non_blocking(true, error);
    }
    uint16_t port = 0;
    if (!error) {
      port = acceptor_.local_endpoint(error).port();
    }
    if (error) {
      error_code ignored;
      acceptor_.close(ignored);
      return base::SysError("listen on " + options.host + " port " + std::to_string(options.port),
                            error.value());
    }
    asio::co_spawn(loop_, AcceptAll(shared_from_this()), asio::detached);
    return port;
  }

  void Stop(base::Nanos deadline, std::function<void()> closed) {
    closed_ = std::move(closed);
    StopAccepting();
    // A drained session may close at once, but reports it only later: the map does not change here.
    for (const auto& [id, session] : sessions_) {
      session->Drain();
    }
    deadline_.expires_after(std::chrono::nanoseconds(deadline));
    deadline_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) {
        self->CloseAll();
        self->ReportClosed();
      }
    });
    if (sessions_.empty()) {
      ReportClosed();
    }
  }

  int64_t held_bytes() const { return context_->budget.taken(); }

  // After it the service is not called any more.
  void Destroy() {
    closed_ = nullptr;
    StopAccepting();
    CloseAll();
    context_->handlers->Close();
    deadline_.cancel();
  }

 private:
  static asio::awaitable<void> AcceptAll(std::shared_ptr<Impl> self) {
    while (!self->context_->stopping) {
      error_code error;
      if (self->full()) {
        co_await self->wake_.async_wait(asio::redirect_error(asio::use_awaitable, error));
        continue;
      }
      co_await self->acceptor_.async_wait(tcp::acceptor::wait_read,
                                          asio::redirect_error(asio::use_awaitable, error));
      int err = error.value();
      while (err == 0 && !self->context_->stopping && !self->full()) {
        err = self->AcceptOne();
      }
      if (err == 0 || err == EAGAIN || self->context_->stopping) {
        continue;
      }
      // Most likely out of file descriptors, and the socket stays readable: without a pause this
      // would spin.
      base::Log(base::LogLevel::kWarning, "cannot accept connections",
                {{"error", base::SysError("accept", err).message}});
      asio::steady_timer pause(self->loop_, kAcceptBackOff);
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
  }

  bool full() const {
    return sessions_.size() >= static_cast<size_t>(context_->options.max_connections);
  }

  // One client leaves a quarter to others.
  int client_limit() const {
    const int all = context_->options.max_connections;
    return all - all / 4;
  }

  // 0 or the errno after which accepting must stop for now.
  int AcceptOne() {
    sockaddr_storage peer{};
    socklen_t size = sizeof(peer);
    base::UniqueFd fd(::accept4(acceptor_.native_handle(), reinterpret_cast<sockaddr*>(&peer),
                                &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.valid()) {
      return IsAboutOneConnection(errno) ? 0 : errno;
    }
    const std::string client = ClientOf(peer);
    if (const auto of_client = by_client_.find(client);
        of_client != by_client_.end() && of_client->second >= client_limit()) {
      return 0;  // closed at once: waiting in the backlog it would keep others waiting
    }
    const uint64_t id = next_id_++;
    const std::weak_ptr<Impl> weak = weak_from_this();
    std::shared_ptr<Session> session =
        StartSession(loop_, std::move(fd), peer.ss_family == AF_INET6, {client, IsLoopback(peer)},
                     context_, [weak, id, client] {
                       if (const auto self = weak.lock()) {
                         self->OnSessionClosed(id, client);
                       }
                     });
    if (session != nullptr) {
      sessions_.emplace(id, std::move(session));
      ++by_client_[client];
    }
    return 0;
  }

  void OnSessionClosed(uint64_t id, const std::string& client) {
    sessions_.erase(id);
    if (const auto of_client = by_client_.find(client); --of_client->second == 0) {
      by_client_.erase(of_client);
    }
    wake_.cancel();
    if (context_->stopping && sessions_.empty()) {
      ReportClosed();
    }
  }

  void StopAccepting() {
    context_->stopping = true;
    error_code ignored;
    acceptor_.close(ignored);
    wake_.cancel();
  }

  void CloseAll() {
    for (const auto& [id, session] : sessions_) {
      session->Close();
    }
  }

  void ReportClosed() {
    deadline_.cancel();
    if (closed_) {
      asio::post(loop_, std::exchange(closed_, nullptr));
    }
  }

  asio::io_context& loop_;
  const std::shared_ptr<SessionContext> context_;
  tcp::acceptor acceptor_;
  asio::steady_timer wake_;  // never expires: cancelling it wakes the accept loop
  asio::steady_timer deadline_;
  std::unordered_map<uint64_t, std::shared_ptr<Session>> sessions_;
  std::unordered_map<std::string, int> by_client_;  // how many of them
  uint64_t next_id_ = 1;
  std::function<void()> closed_;
};

Server::Server(asio::io_context& loop, Options options, HealthInfo health,
               service::Service& service, SessionSource sessions)
    : impl_(std::make_shared<Impl>(loop, std::move(options), std::move(health), service,
                                   std::move(sessions))) {}

// NOLINTNEXTLINE(bugprone-exception-escape): cancelling timers throws for bad descriptors only
Server::~Server() {
  impl_->Destroy();
}

base::Result<uint16_t> Server::Listen() {
  return impl_->Listen();
}

int64_t Server::held_bytes() const {
  return impl_->held_bytes();
}

void Server::Stop(base::Nanos deadline, std::function<void()> closed) {
  impl_->Stop(deadline, std::move(closed));
}

}  // namespace http
