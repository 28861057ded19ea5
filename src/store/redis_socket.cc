#include "store/redis_socket.h"

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <chrono>
#include <utility>

namespace store {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr size_t kReadSize = 64 << 10;

std::optional<RedisAddress> ParseRedisAddress(std::string_view text) {
  RedisAddress address;
  if (text.starts_with("unix:")) {
    address.path = text.substr(5);
    // As long as sun_path takes.
    return address.path.starts_with('/') && address.path.size() < 108 ? std::optional(address)
                                                                      : std::nullopt;
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  int number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number < 1 || number > 65535) {
    return std::nullopt;
  }
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  if (host.empty() || host.find_first_of(" \t[]/,@") != std::string_view::npos) {
    return std::nullopt;
  }
  address.host = host;
  address.port = port;
  return address;
}

base::Error Unavailable(const std::string& what, const error_code& error) {
  return {base::ErrorKind::kUnavailable, what + ": " + error.message(), 0};
}

}  // namespace

std::string RedisAddress::ToString() const {
  if (!path.empty()) {
    return "unix:" + path;
  }
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
}

std::optional<std::vector<RedisAddress>> ParseRedisAddresses(std::string_view text) {
  std::vector<RedisAddress> addresses;
  while (true) {
    const size_t comma = text.find(',');
    auto address = ParseRedisAddress(text.substr(0, comma));
    if (!address) {
      return std::nullopt;
    }
    addresses.push_back(std::move(*address));
    if (comma == std::string_view::npos) {
      return addresses;
    }
    text.remove_prefix(comma + 1);
  }
}

// Kept alive by the operations under way; `closed_` keeps their ends from calling back.
class RedisSocket::Impl : public std::enable_shared_from_this<RedisSocket::Impl> {
 public:
  using Socket = asio::generic::stream_protocol::socket;
  using TlsStream = asio::ssl::stream<Socket&>;

  explicit Impl(asio::io_context& loop)
      : loop_(loop), resolver_(loop), tcp_(loop), socket_(loop), timer_(loop) {}

  void Connect(const RedisAddress& address, const TlsOptions& tls, base::Nanos deadline,
               std::function<void(base::Result<void>)> done) {
    address_ = address;
    tls_options_ = tls;
    connected_ = std::move(done);
    timer_.expires_after(std::chrono::nanoseconds(deadline));
    timer_.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error) {
        self->EndConnect(base::Error{base::ErrorKind::kUnavailable,
                                     "no connection within the time: " + self->step_, 0});
      }
    });
    if (!address_.path.empty()) {
      ConnectUnix();
      return;
    }
    step_ = "look up " + address_.host;
    resolver_.async_resolve(
        address_.host, address_.port,
        [self = shared_from_this()](const error_code& error,
                                    const tcp::resolver::results_type& endpoints) {
          if (error) {
            self->EndConnect(Unavailable(self->step_, error));
          } else if (self->connected_) {
            self->ConnectTcp(endpoints);
          }
        });
  }

  void Read(std::function<void(base::Result<std::string_view>)> done) {
    auto ended = [self = shared_from_this(), done = std::move(done)](const error_code& error,
                                                                     size_t size) {
      if (self->closed_) {
        return;
      }
      if (error) {
        done(Unavailable("read", error));
      } else {
        done(std::string_view(self->buffer_.data(), size));
      }
    };
    if (tls_) {
      tls_->async_read_some(asio::buffer(buffer_), std::move(ended));
    } else {
      socket_.async_read_some(asio::buffer(buffer_), std::move(ended));
    }
  }

  void Write(std::string bytes, std::function<void(base::Result<void>)> done) {
    written_ = std::move(bytes);
    auto ended = [self = shared_from_this(), done = std::move(done)](const error_code& error,
                                                                     size_t) {
      if (!self->closed_) {
        done(error ? base::Result<void>(Unavailable("write", error)) : base::Result<void>());
      }
    };
    if (tls_) {
      asio::async_write(*tls_, asio::buffer(written_), std::move(ended));
    } else {
      asio::async_write(socket_, asio::buffer(written_), std::move(ended));
    }
  }

  void Close() {
    closed_ = true;
    connected_ = nullptr;
    CloseSockets();
  }

 private:
  void ConnectUnix() {
    step_ = "connect to " + address_.ToString();
    socket_.async_connect(asio::local::stream_protocol::endpoint(address_.path),
                          [self = shared_from_this()](const error_code& error) {
                            if (error) {
                              self->EndConnect(Unavailable(self->step_, error));
                            } else {
                              self->EndConnect({});
                            }
                          });
  }

  void ConnectTcp(const tcp::resolver::results_type& endpoints) {
    step_ = "connect to " + address_.ToString();
    asio::async_connect(tcp_, endpoints,
                        [self = shared_from_this()](const error_code& error, const tcp::endpoint&) {
                          self->OnTcpConnected(error);
                        });
  }

  void OnTcpConnected(const error_code& error) {
    if (error) {
      EndConnect(Unavailable(step_, error));
      return;
    }
    if (!connected_) {
      return;  // too late
    }
    error_code ignored;
    tcp_.set_option(tcp::no_delay(true), ignored);
    tcp_.set_option(asio::socket_base::keep_alive(true), ignored);
    socket_ = Socket(std::move(tcp_));
    if (tls_options_.enabled) {
      ShakeHands();
    } else {
      EndConnect({});
    }
  }

  void ShakeHands() {
    step_ = "TLS handshake with " + address_.ToString();
    error_code error;
    context_.emplace(asio::ssl::context::tls_client);
    context_->set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1, error);
    if (tls_options_.ca_file.empty()) {
      context_->set_default_verify_paths(error);
    } else {
      context_->load_verify_file(tls_options_.ca_file, error);
    }
    if (error) {
      EndConnect(Unavailable("REDIS_TLS_CA: cannot read the certificates", error));
      return;
    }
    tls_.emplace(socket_, *context_);
    tls_->set_verify_mode(asio::ssl::verify_peer, error);
    tls_->set_verify_callback(asio::ssl::host_name_verification(address_.host), error);
    // An address is no server name (RFC 6066).
    if (asio::ip::make_address(address_.host, error); error) {
      ::SSL_set_tlsext_host_name(tls_->native_handle(), address_.host.c_str());
    }
    tls_->async_handshake(asio::ssl::stream_base::client,
                          [self = shared_from_this()](const error_code& failed) {
                            if (failed) {
                              self->EndConnect(Unavailable(self->step_, failed));
                            } else {
                              self->EndConnect({});
                            }
                          });
  }

  void EndConnect(base::Result<void> result) {
    timer_.cancel();
    if (!result) {
      CloseSockets();
    }
    const auto done = std::exchange(connected_, nullptr);
    if (done) {
      // Posted, as some of the failures are found within the call.
      asio::post(loop_, [self = shared_from_this(), done, result = std::move(result)] {
        if (!self->closed_) {
          done(result);
        }
      });
    }
  }

  void CloseSockets() {
    error_code ignored;
    timer_.cancel();
    resolver_.cancel();
    tcp_.close(ignored);
    socket_.close(ignored);
  }

  asio::io_context& loop_;
  tcp::resolver resolver_;
  tcp::socket tcp_;  // while it connects
  Socket socket_;
  std::optional<asio::ssl::context> context_;
  std::optional<TlsStream> tls_;
  asio::steady_timer timer_;
  RedisAddress address_;
  TlsOptions tls_options_;
  std::string step_;
  std::function<void(base::Result<void>)> connected_;
  std::array<char, kReadSize> buffer_{};
  std::string written_;
  bool closed_ = false;
};

RedisSocket::RedisSocket(asio::io_context& loop) : impl_(std::make_shared<Impl>(loop)) {}

// NOLINTNEXTLINE(bugprone-exception-escape): cancelling timers throws for bad descriptors only
RedisSocket::~RedisSocket() {
  impl_->Close();
}

void RedisSocket::Connect(const RedisAddress& address, const TlsOptions& tls, base::Nanos deadline,
                          std::function<void(base::Result<void>)> done) {
  impl_->Connect(address, tls, deadline, std::move(done));
}

void RedisSocket::Read(std::function<void(base::Result<std::string_view>)> done) {
  impl_->Read(std::move(done));
}

void RedisSocket::Write(std::string bytes, std::function<void(base::Result<void>)> done) {
  impl_->Write(std::move(bytes), std::move(done));
}

}  // namespace store
