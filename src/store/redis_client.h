#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/redis_reply.h"
#include "store/redis_socket.h"

namespace store {

struct RedisOptions {
  std::vector<RedisAddress> addresses;  // tried in turn until one is a master
  std::string username;                 // empty: the default user
  std::string password;                 // empty: none
  int64_t db = 0;
  TlsOptions tls;
  std::string prefix = "code-sandbox";  // of all keys and channels
  base::Nanos connect_timeout = 3 * base::kSecond;
  base::Nanos command_timeout = 5 * base::kSecond;
  base::Nanos max_pause = 2 * base::kSecond;  // between two tries to connect
  size_t max_pending = 20'000;                // commands without an answer yet
  size_t max_pending_bytes = 512U << 20;      // of commands not yet written
};

// A script with the SHA-1 that EVALSHA names it by.
struct RedisScript {
  std::string source;
  std::string sha1;

  static RedisScript Of(std::string source);
};

// A connection to Redis that comes back by itself: names are looked up again, addresses tried in
// turn, pauses grow. Commands are pipelined. Lives on the event loop's thread; `loop` must outlive
// it. Callbacks come from the loop, exactly once and never from within a call; those pending when
// it is destroyed are dropped.
class RedisClient {
 public:
  using Callback = std::function<void(base::Result<RedisReply>)>;

  struct Events {
    std::function<void()> up;  // connected and authenticated: commands may be sent
    std::function<void(const base::Error& why)> down;  // lost, or a try to connect has failed
    std::function<void(const std::string& channel, const std::string& text)> message;
  };

  // `name`: for CLIENT LIST.
  RedisClient(boost::asio::io_context& loop, RedisOptions options, std::string name, Events events);
  ~RedisClient();  // NOLINT(bugprone-exception-escape): as in redis_client.cc
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  // Begins to connect; to be called once.
  void Start();

  // An error reply is an Error, as is what follows. kUnavailable: not connected, too much pending,
  // no answer within command_timeout, or the connection was lost; the command may then have been
  // executed or not.
  void Send(std::vector<std::string> command, Callback done);

  // Runs a script whose only key is the prefix in braces.
  void Run(const RedisScript& script, std::vector<std::string> arguments, Callback done);

  // Drops the connection and makes a new one.
  void Reconnect();

  bool up() const;

  // Why it is not up.
  base::Error why() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace store
