// Bytes of a client on a connection of the real server: header, framing, body, the next request.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <string>

#include "base/unique_fd.h"
#include "fuzz.h"
#include "http/server.h"
#include "store/stores.h"

namespace {

// Everything of the service but languages and workers, so that nothing is ever queued.
class Fixture {
 public:
  Fixture()
      : store_(store::MakeMemoryStore(
            {}, [this](std::function<void()> work) { boost::asio::post(loop_, std::move(work)); })),
        service_({}, *store_, languages_),
        server_(loop_, MakeOptions(), {"0", "fuzz", "memory", "fuzz"}, service_) {
    const auto port = server_.Listen();
    MUST(port);
    address_.sin_family = AF_INET;
    address_.sin_port = htons(*port);
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }

  // What the server answers to these bytes while the connection is open.
  std::string Exchange(std::string_view bytes) {
    base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // Closing resets the connection: thousands a second would use up the ports otherwise.
    const linger reset{1, 0};
    MUST(::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0);
    MUST(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address_), sizeof(address_)) == 0);
    std::string answer;
    size_t sent = 0;
    for (int quiet = 0; quiet < kQuietRounds; ++quiet) {
      if (sent < bytes.size()) {
        const ssize_t n =
            ::send(fd.get(), bytes.data() + sent, bytes.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent = n > 0 ? sent + static_cast<size_t>(n) : sent;
        quiet = n > 0 ? 0 : quiet;
      }
      quiet = Poll() > 0 ? 0 : quiet;
      char buffer[4096];
      const ssize_t n = ::recv(fd.get(), buffer, sizeof(buffer), MSG_DONTWAIT);
      if (n > 0) {
        answer.append(buffer, static_cast<size_t>(n));
        quiet = 0;
      }
      if (n == 0) {
        break;
      }
    }
    fd.reset();
    while (Poll() > 0) {
    }
    return answer;
  }

 private:
  static constexpr int kQuietRounds = 2;

  static http::Options MakeOptions() {
    http::Options options;
    options.host = "127.0.0.1";
    options.port = 0;
    options.max_body_bytes = 16 << 10;
    options.max_header_bytes = 4 << 10;
    return options;
  }

  size_t Poll() {
    loop_.restart();
    return loop_.poll();
  }

  boost::asio::io_context loop_{1};
  language::Registry languages_;
  std::unique_ptr<job::Store> store_;
  service::Service service_;
  http::Server server_;
  sockaddr_in address_{};
};

}  // namespace

FUZZ(http, input) {
  static auto* fixture = new Fixture;
  const std::string answer = fixture->Exchange(input);
  if (answer.empty()) {
    return;
  }
  MUST(answer.starts_with("HTTP/1.1 "));
  const std::string_view status = std::string_view(answer).substr(9, 3);
  MUST(status != "500" && status != "202");
  MUST(answer.find("\r\n\r\n") != std::string::npos);
}
