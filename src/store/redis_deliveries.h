#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "job/delivery_store.h"
#include "store/redis_client.h"

namespace store {

// Webhooks by way of Redis: what each call of job::DeliveryStore does. The client must outlive it.
class RedisDeliveries {
 public:
  explicit RedisDeliveries(RedisClient& client) : client_(client) {}

  void TakeDue(int max, base::Nanos hold, job::Store::Callback<std::vector<job::Delivery>> done);
  void Postpone(const std::string& id, int attempts, base::Nanos pause,
                job::Store::Callback<void> done);
  void Settle(const std::string& id, job::Store::Callback<void> done);

 private:
  RedisClient& client_;
};

}  // namespace store
