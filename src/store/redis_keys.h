#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "job/key_store.h"
#include "store/redis_client.h"

namespace store {

// Keys by way of Redis: what each call of job::KeyStore does. The client must outlive it.
class RedisKeys {
 public:
  explicit RedisKeys(RedisClient& client) : client_(client) {}

  void Read(std::optional<uint64_t> known, job::Store::Callback<job::KeySet> done);
  void Add(const job::Key& key, job::Store::Callback<void> done);
  void Remove(const std::string& id, job::Store::Callback<void> done);
  void Secret(job::Store::Callback<std::string> done);
  void TakeRate(const std::string& name, const job::Rate& rate, int64_t wanted,
                job::Store::Callback<job::RateState> done);

 private:
  RedisClient& client_;
};

}  // namespace store
