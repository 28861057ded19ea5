#include "store/redis_messages.h"

#include <algorithm>
#include <utility>

namespace store {

RedisMessages::RedisMessages(boost::asio::io_context& loop, const RedisOptions& options,
                             std::string name, std::vector<std::string> channels, Events events)
    : prefix_("{" + options.prefix + "}:"),
      channels_(std::move(channels)),
      events_(std::move(events)),
      client_(loop, options, std::move(name), ClientEvents()) {
  client_.Start();
}

void RedisMessages::Reconnect() {
  if (client_.up()) {
    client_.Reconnect();
  }
}

RedisClient::Events RedisMessages::ClientEvents() {
  RedisClient::Events events;
  events.up = [this] { Subscribe(); };
  events.down = [this](const base::Error& why) {
    listening_ = false;
    why_ = why;
  };
  events.message = [this](const std::string& channel, const std::string& text) {
    events_.message(channel.substr(std::min(channel.size(), prefix_.size())), text);
  };
  return events;
}

void RedisMessages::Subscribe() {
  for (const std::string& channel : channels_) {
    const bool last = channel == channels_.back();
    client_.Send({"SUBSCRIBE", prefix_ + channel},
                 [this, last](const base::Result<RedisReply>& reply) {
                   if (!reply) {
                     why_ = reply.error();
                     events_.refused(reply.error());
                     Reconnect();
                   } else if (last) {
                     listening_ = true;
                     events_.listening();
                   }
                 });
  }
}

}  // namespace store
