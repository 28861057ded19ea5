#pragma once

#include <functional>
#include <string>
#include <vector>

#include "store/redis_client.h"

namespace store {

// What other nodes say over Redis: one connection that has subscribed to a node's channels, and
// comes back by itself. Lives on the event loop's thread; `loop` must outlive it.
class RedisMessages {
 public:
  struct Events {
    std::function<void()> listening;  // subscribed: messages before may have been missed
    std::function<void(const base::Error& why)> refused;  // a channel is not permitted
    std::function<void(const std::string& channel, const std::string& text)> message;
  };

  // `channels` without the prefix, as in `message`. Begins at once.
  RedisMessages(boost::asio::io_context& loop, const RedisOptions& options, std::string name,
                std::vector<std::string> channels, Events events);

  // Connects anew: the server may no longer be the master.
  void Reconnect();

  bool listening() const { return listening_; }

  // Why it is not.
  const base::Error& why() const { return why_; }

 private:
  RedisClient::Events ClientEvents();
  void Subscribe();

  const std::string prefix_;
  const std::vector<std::string> channels_;
  const Events events_;
  bool listening_ = false;
  base::Error why_{base::ErrorKind::kUnavailable, "Redis: not connected yet", 0};
  RedisClient client_;
};

}  // namespace store
