#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/unique_fd.h"

namespace http {

// A blocking client that gives up after five seconds.
class Client {
 public:
  explicit Client(uint16_t port, bool ipv6 = false, int receive_buffer = 0)
      : fd_(::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval timeout{5, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (receive_buffer > 0) {
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    }
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    v6.sin6_addr = in6addr_loopback;
    const int rc = ipv6 ? ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&v6), sizeof(v6))
                        : ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&v4), sizeof(v4));
    EXPECT_EQ(rc, 0);
  }

  void Send(std::string_view data) {
    while (!data.empty()) {
      const ssize_t n = ::send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL);
      if (n <= 0) {
        return;  // the server closed: what it answered tells why
      }
      data.remove_prefix(static_cast<size_t>(n));
    }
  }

  void FinishSending() { ::shutdown(fd_.get(), SHUT_WR); }

  void Abort() {
    const linger reset{1, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    fd_.reset();
  }

  void Close() { fd_.reset(); }

  // One response with its header; `head`: there is no body.
  std::string Receive(bool head = false) {
    while (input_.find("\r\n\r\n") == std::string::npos) {
      if (!Fill()) {
        return std::exchange(input_, "");
      }
    }
    size_t size = input_.find("\r\n\r\n") + 4;
    const size_t length = input_.find("Content-Length: ");
    if (!head && length < size) {
      size += std::stoul(input_.substr(length + 16));
    }
    while (input_.size() < size) {
      if (!Fill()) {
        break;
      }
    }
    std::string response = input_.substr(0, size);
    input_.erase(0, size);
    return response;
  }

  std::string Do(std::string_view request) {
    Send(request);
    return Receive();
  }

  // True when the server closes without another byte before the client's patience ends.
  bool ServerCloses() {
    char c = 0;
    const ssize_t n = input_.empty() ? ::recv(fd_.get(), &c, 1, 0) : 1;
    return n == 0 || (n < 0 && errno == ECONNRESET);
  }

  // True when there is a byte or the end of input within the time.
  bool Readable(int milliseconds) {
    pollfd waiter{fd_.get(), POLLIN, 0};
    return ::poll(&waiter, 1, milliseconds) > 0;
  }

  // True when no byte is there now.
  bool Silent() {
    char c = 0;
    return input_.empty() && ::recv(fd_.get(), &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           errno == EAGAIN;
  }

 private:
  bool Fill() {
    std::string chunk(65536, '\0');
    const ssize_t n = ::recv(fd_.get(), chunk.data(), chunk.size(), 0);
    if (n <= 0) {
      return false;
    }
    input_.append(chunk, 0, static_cast<size_t>(n));
    return true;
  }

  base::UniqueFd fd_;
  std::string input_;
};

inline std::string Get(std::string_view target, std::string_view headers = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n" + std::string(headers) + "\r\n";
}

inline std::string Post(std::string_view body, std::string_view headers = "",
                        std::string_view path = "/v1/execute") {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n" + std::string(headers) + "\r\n" + std::string(body);
}

}  // namespace http
