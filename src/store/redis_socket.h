#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace boost::asio {
class io_context;
}

namespace store {

// Where a Redis server listens.
struct RedisAddress {
  std::string host;  // name or IP address; empty when `path` is set
  std::string port;
  std::string path;  // of a Unix socket

  std::string ToString() const;  // "host:6379", "unix:/run/redis.sock"
};

// Reads REDIS_ADDR: host:port, [IPv6]:port or unix:/path; several of them separated by commas.
// nullopt when it is none.
std::optional<std::vector<RedisAddress>> ParseRedisAddresses(std::string_view text);

struct TlsOptions {
  bool enabled = false;
  std::string ca_file;  // empty: the system's certificate authorities
};

// One connection to a Redis server over TCP, TCP with TLS, or a Unix socket. Lives on the event
// loop's thread; `loop` must outlive it. Callbacks come from the loop, never from within a call;
// none comes after the destructor.
class RedisSocket {
 public:
  explicit RedisSocket(boost::asio::io_context& loop);
  ~RedisSocket();  // NOLINT(bugprone-exception-escape): as in redis_socket.cc
  RedisSocket(const RedisSocket&) = delete;
  RedisSocket& operator=(const RedisSocket&) = delete;

  // Looks the name up, connects to its addresses in turn, shakes hands, all within `deadline` from
  // now. To be called once. The server's certificate must be for the address's host.
  void Connect(const RedisAddress& address, const TlsOptions& tls, base::Nanos deadline,
               std::function<void(base::Result<void>)> done);

  // Reads some bytes, at least one; they are valid within the callback. One read at a time.
  void Read(std::function<void(base::Result<std::string_view>)> done);

  // Writes all of it. One write at a time.
  void Write(std::string bytes, std::function<void(base::Result<void>)> done);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace store
