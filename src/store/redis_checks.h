#pragma once

#include <map>
#include <string>
#include <vector>

#include "store/redis_client.h"

namespace store {

// What Redis is configured to decides what "stored" means: looks at it and says in the log what
// could be lost. Lives on the event loop's thread and must outlive the client's callbacks.
class RedisChecks {
 public:
  // Asks anew; to be called for each new connection. Says only what it has not said last time.
  void Start(RedisClient& client);

 private:
  void Judge();

  std::map<std::string, std::string> settings_;
  std::string said_;
  int missing_ = 0;  // answers
  bool forbidden_ = false;
};

// The warnings for these settings: appendonly, appendfsync, save, maxmemory, maxmemory-policy and
// redis_version; those that are unknown are absent.
std::vector<std::string> JudgeRedisSettings(const std::map<std::string, std::string>& settings);

}  // namespace store
