#include "webhook/client.h"

#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <optional>
#include <set>
#include <utility>

#include "webhook/address.h"

namespace webhook {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Endpoints = std::vector<tcp::endpoint>;

namespace {

// A name that takes long to look up keeps one of them busy.
constexpr size_t kResolvers = 4;
constexpr int kLookUpSeconds = 3;    // for each of the system's name servers
constexpr size_t kMaxEndpoints = 3;  // that are tried
constexpr size_t kMaxStatusLine = 1024;

bool IsAllowed(const Policy& policy, const asio::ip::address& address) {
  return policy.allow_private || (address.is_v4() ? IsPublic(address.to_v4().to_bytes())
                                                  : IsPublic(address.to_v6().to_bytes()));
}

// Blocks. Also reads addresses.
Endpoints LookUp(const std::string& host, uint16_t port) {
  // Whoever owns the name may let its servers be silent: less patience than by default.
  thread_local bool prepared = false;
  if (!std::exchange(prepared, true) && ::res_init() == 0) {
    _res.retrans = kLookUpSeconds;
    _res.retry = 1;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  Endpoints found;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) {
    return found;
  }
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    tcp::endpoint endpoint;
    if (one->ai_addrlen <= endpoint.capacity()) {
      std::copy_n(reinterpret_cast<const char*>(one->ai_addr), one->ai_addrlen,
                  reinterpret_cast<char*>(endpoint.data()));
      endpoint.resize(one->ai_addrlen);
      endpoint.port(port);
      found.push_back(endpoint);
    }
  }
  ::freeaddrinfo(list);
  return found;
}

// 0: it is none.
int StatusOf(const std::string& line) {
  const bool good =
      line.size() >= 12 && line.starts_with("HTTP/1.") && line[8] == ' ' &&
      std::all_of(line.begin() + 9, line.begin() + 12, [](char c) { return c >= '0' && c <= '9'; });
  return good ? (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0') : 0;
}

std::string RequestText(const Post& post) {
  std::string text = "POST " + post.url.target + " HTTP/1.1\r\nHost: " + post.url.Authority() +
                     "\r\nUser-Agent: code-sandbox/" PROJECT_VERSION
                     "\r\nContent-Type: application/json\r\nContent-Length: " +
                     std::to_string(post.body.size()) + "\r\nConnection: close\r\n";
  for (const auto& [name, value] : post.headers) {
    text += name + ": " + value + "\r\n";
  }
  return text + "\r\n" + post.body;
}

}  // namespace

class Client::Impl : public std::enable_shared_from_this<Client::Impl> {
 public:
  Impl(asio::io_context& loop, ClientOptions options)
      : loop_(loop), options_(std::move(options)), tls_(asio::ssl::context::tls_client) {}

  base::Result<void> Prepare() {
    error_code error;
    tls_.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                     asio::ssl::context::no_tlsv1_1);
    tls_.set_verify_mode(asio::ssl::verify_peer);
    if (options_.ca_file.empty()) {
      tls_.set_default_verify_paths(error);
    } else {
      tls_.load_verify_file(options_.ca_file, error);
    }
    return error ? base::InvalidArgument("cannot read the authorities of webhooks: " +
                                         error.message())
                 : base::Result<void>();
  }

  void Send(Post post, std::function<void(Outcome)> done);
  void Close();

 private:
  class Sending;

  asio::io_context& loop_;
  const ClientOptions options_;
  asio::ssl::context tls_;
  asio::thread_pool resolvers_{kResolvers};
  std::set<Sending*> under_way_;
  bool closed_ = false;
};

// One request. Kept alive by what it waits for.
class Client::Impl::Sending : public std::enable_shared_from_this<Sending> {
 public:
  Sending(std::shared_ptr<Impl> client, Post post, std::function<void(Outcome)> done)
      : client_(std::move(client)),
        url_(std::move(post.url)),
        done_(std::move(done)),
        timer_(client_->loop_),
        socket_(client_->loop_),
        tls_(socket_, client_->tls_) {
    post.url = url_;
    request_ = RequestText(post);
    client_->under_way_.insert(this);
  }

  Sending(const Sending&) = delete;
  Sending& operator=(const Sending&) = delete;

  ~Sending() { client_->under_way_.erase(this); }

  void Start() {
    timer_.expires_after(std::chrono::nanoseconds(client_->options_.timeout));
    timer_.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error) {
        self->Fail("no answer in time: ", self->step_);
      }
    });
    step_ = "look up the host";
    // Only what a look-up needs leaves the loop's thread.
    asio::post(client_->resolvers_, [weak = std::weak_ptr(shared_from_this()), host = url_.host,
                                     port = url_.port, &loop = client_->loop_] {
      Endpoints found = LookUp(host, port);
      asio::post(loop, [weak, found = std::move(found)]() mutable {
        if (const auto self = weak.lock()) {
          self->OnLookedUp(std::move(found));
        }
      });
    });
    // The timer holds it until then.
  }

  // Ends it without an answer.
  void Drop() {
    done_ = nullptr;
    End();
  }

 private:
  void End() {
    timer_.cancel();
    error_code ignored;
    socket_.close(ignored);
  }

  void Answer(Outcome outcome) {
    const std::function<void(Outcome)> done = std::exchange(done_, nullptr);
    End();
    if (done) {
      done(std::move(outcome));
    }
  }

  void Fail(const std::string& before, const std::string& what) { Answer({0, before + what}); }

  void Fail(const error_code& error) { Fail(step_ + ": ", error.message()); }

  void OnLookedUp(Endpoints found) {
    if (!done_) {
      return;
    }
    if (found.empty()) {
      Fail(step_, ": there is no such host");
      return;
    }
    std::erase_if(found, [this](const tcp::endpoint& endpoint) {
      return !IsAllowed(client_->options_.policy, endpoint.address());
    });
    if (found.empty()) {
      Fail(step_, ": it has no address that webhooks may go to");
      return;
    }
    found.resize(std::min(found.size(), kMaxEndpoints));
    endpoints_ = std::move(found);
    step_ = "connect";
    asio::async_connect(socket_, endpoints_,
                        [self = shared_from_this()](const error_code& error, const tcp::endpoint&) {
                          if (!self->done_) {
                            return;
                          }
                          if (error) {
                            self->Fail(error);
                          } else if (self->url_.tls) {
                            self->ShakeHands();
                          } else {
                            self->Write(self->socket_);
                          }
                        });
  }

  void ShakeHands() {
    step_ = "TLS";
    asio::ip::address address;
    error_code error;
    asio::ip::make_address(url_.host, error);
    const bool is_name = static_cast<bool>(error);
    if (is_name) {
      SSL_set_tlsext_host_name(tls_.native_handle(), url_.host.c_str());
    }
    tls_.set_verify_callback(asio::ssl::host_name_verification(url_.host));
    tls_.async_handshake(asio::ssl::stream_base::client,
                         [self = shared_from_this()](const error_code& failed) {
                           if (!self->done_) {
                             return;
                           }
                           if (failed) {
                             self->Fail(failed);
                           } else {
                             self->Write(self->tls_);
                           }
                         });
  }

  template <typename Stream>
  void Write(Stream& stream) {
    step_ = "send";
    asio::async_write(stream, asio::buffer(request_),
                      [self = shared_from_this(), &stream](const error_code& error, size_t) {
                        if (!self->done_) {
                          return;
                        }
                        if (error) {
                          self->Fail(error);
                        } else {
                          self->Read(stream);
                        }
                      });
  }

  template <typename Stream>
  void Read(Stream& stream) {
    step_ = "read the status";
    asio::async_read_until(stream, asio::dynamic_buffer(answer_, kMaxStatusLine), '\n',
                           [self = shared_from_this()](const error_code& error, size_t) {
                             if (!self->done_) {
                               return;
                             }
                             const int status = error ? 0 : StatusOf(self->answer_);
                             if (error) {
                               self->Fail(error);
                             } else if (status == 0) {
                               self->Fail(self->step_, ": the answer is not HTTP/1.1");
                             } else {
                               self->Answer({status, ""});
                             }
                           });
  }

  const std::shared_ptr<Impl> client_;
  const Url url_;
  std::string request_;
  std::function<void(Outcome)> done_;  // empty once it is over
  asio::steady_timer timer_;
  tcp::socket socket_;
  asio::ssl::stream<tcp::socket&> tls_;
  Endpoints endpoints_;
  std::string answer_;
  std::string step_;
};

void Client::Impl::Send(Post post, std::function<void(Outcome)> done) {
  if (!closed_) {
    std::make_shared<Sending>(shared_from_this(), std::move(post), std::move(done))->Start();
  }
}

void Client::Impl::Close() {
  closed_ = true;
  for (Sending* const sending : std::set<Sending*>(under_way_)) {
    sending->Drop();
  }
  // They post to the loop, so they end first: a look-up that is under way is waited for.
  resolvers_.stop();
  resolvers_.join();
}

Client::Client(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

// NOLINTNEXTLINE(bugprone-exception-escape): cancelling timers throws for bad descriptors only
Client::~Client() {
  impl_->Close();
}

base::Result<std::unique_ptr<Client>> Client::Make(asio::io_context& loop, ClientOptions options) {
  auto impl = std::make_shared<Impl>(loop, std::move(options));
  if (base::Result<void> prepared = impl->Prepare(); !prepared) {
    return prepared.error();
  }
  return std::unique_ptr<Client>(new Client(std::move(impl)));
}

void Client::Send(Post post, std::function<void(Outcome)> done) {
  impl_->Send(std::move(post), std::move(done));
}

}  // namespace webhook
