#include "store/redis_deliveries.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "store/redis_jobs.h"
#include "store/redis_scripts.h"

namespace store {

using base::Result;
using std::to_string;

namespace {

std::string Millis(base::Nanos duration) {
  return to_string(std::max<base::Nanos>(1, duration / base::kMillisecond));
}

RedisClient::Callback Done(job::Store::Callback<void> done) {
  return [done = std::move(done)](const Result<RedisReply>& reply) {
    done(reply ? Result<void>() : Result<void>(reply.error()));
  };
}

std::vector<job::Delivery> ReadDeliveries(const RedisReply& reply) {
  std::vector<job::Delivery> taken;
  for (const RedisReply& item : reply.items) {
    if (item.items.size() != 3) {
      continue;
    }
    auto job = ReadRedisJob(item.items[0].text, item.items[2]);
    if (job) {
      taken.push_back({std::move(*job), static_cast<int>(item.items[1].ToInt())});
    } else {
      base::Log(base::LogLevel::kError, "a webhook cannot be told",
                {{"error", job.error().message}});
    }
  }
  return taken;
}

}  // namespace

void RedisDeliveries::TakeDue(int max, base::Nanos hold,
                              job::Store::Callback<std::vector<job::Delivery>> done) {
  client_.Run(Scripts().deliver, {"take", to_string(max), Millis(hold)},
              [done = std::move(done)](const Result<RedisReply>& reply) {
                if (reply) {
                  done(ReadDeliveries(*reply));
                } else {
                  done(reply.error());
                }
              });
}

void RedisDeliveries::Postpone(const std::string& id, int attempts, base::Nanos pause,
                               job::Store::Callback<void> done) {
  client_.Run(Scripts().deliver, {"postpone", id, to_string(attempts), Millis(pause)},
              Done(std::move(done)));
}

void RedisDeliveries::Settle(const std::string& id, job::Store::Callback<void> done) {
  client_.Run(Scripts().deliver, {"settle", id}, Done(std::move(done)));
}

}  // namespace store
