#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/registry.h"
#include "job/store.h"
#include "store/redis_client.h"

namespace store {

// What running programs use, by way of Redis: PublishUsage and WatchUsage of job::Store. Lives on
// the event loop's thread; the client must outlive it. Handles may outlive it.
class RedisUsage {
 public:
  explicit RedisUsage(RedisClient& client) : client_(client) {}

  void Publish(std::string id, uint64_t run, const sandbox::LiveUsage& usage);
  job::Store::WatchHandle Watch(std::string id, job::Store::UsageListener listener);

  // A message of the channel `usage`. A listener may destroy this object.
  void OnMessage(const std::string& text);

 private:
  RedisClient& client_;
  base::Registry<job::Store::UsageListener> watchers_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace store
