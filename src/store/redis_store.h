#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "job/delivery_store.h"
#include "job/fleet.h"
#include "job/key_store.h"
#include "job/store.h"
#include "store/redis_client.h"

namespace store {

struct RedisStoreOptions {
  job::StoreOptions jobs;  // to be the same on all nodes
  RedisOptions redis;
  bool watches = true;  // this node has clients that wait for jobs
  bool works = true;    // this node runs jobs
  // After Redis was away, workers have this time to renew their leases before others take over.
  base::Nanos outage_grace = 5 * base::kSecond;
};

// Jobs live in Redis, shared with any number of other nodes. docs/decisions/0005-redis-store.md
// describes the keys. Needs Redis 6.2. Nothing blocks; the store connects in the background and
// comes back by itself, and answers kUnavailable while Redis is away. Submitted jobs are as durable
// as Redis is configured to be; what it is configured to is checked and logged. Recover does
// nothing, as others may be running what runs. `loop` must outlive it.
class RedisStore final : public job::Store,
                         public job::Fleet,
                         public job::KeyStore,
                         public job::DeliveryStore {
 public:
  RedisStore(boost::asio::io_context& loop, RedisStoreOptions options);
  ~RedisStore() override;

  void Submit(job::Job job, job::Durability durability, Callback<void> done) override;
  void Sync(Callback<void> done) override;
  void Get(std::string id, Callback<job::Job> done) override;
  void List(job::ListQuery query, Callback<job::ListPage> done) override;
  void LeaseJobs(std::string worker, int max, Callback<std::vector<job::Lease>> done) override;
  void Begin(std::string worker, job::Job job, Callback<job::Lease> done) override;
  void Renew(std::string id, uint64_t token, Callback<void> done) override;
  void Finish(std::string id, uint64_t token, job::Outcome outcome, Callback<void> done) override;
  void Release(std::string id, uint64_t token, Callback<void> done) override;
  void Cancel(std::string id, Callback<job::Job> done) override;
  void OnCancel(std::function<void(std::string id)> listener) override;
  void Recover(Callback<int64_t> done) override;
  void Sweep(Callback<void> done) override;
  // kUnavailable also when only messages of other nodes do not arrive.
  void Stats(Callback<job::StoreStats> done) override;
  WatchHandle Watch(std::string id, Watched what, std::function<void()> changed) override;
  void Publish(std::string id, job::OutputChunk chunk) override;
  WatchHandle WatchOutput(std::string id, job::OutputPosition from,
                          OutputListener listener) override;
  void PublishUsage(std::string id, uint64_t run, sandbox::LiveUsage usage) override;
  WatchHandle WatchUsage(std::string id, UsageListener listener) override;
  void OnQueued(std::function<void()> listener) override;

  std::string_view name() const override { return "redis"; }

  job::KeyStore* keys() override { return this; }

  job::DeliveryStore* deliveries() override { return this; }

  void TakeDue(int max, base::Nanos hold, Callback<std::vector<job::Delivery>> done) override;
  void Postpone(std::string id, int attempts, base::Nanos pause, Callback<void> done) override;
  void Settle(std::string id, Callback<void> done) override;

  void ReadKeys(std::optional<uint64_t> known, Callback<job::KeySet> done) override;
  void AddKey(job::Key key, Callback<void> done) override;
  void RemoveKey(std::string id, Callback<void> done) override;
  void Secret(Callback<std::string> done) override;
  void TakeRate(std::string name, job::Rate rate, int64_t wanted,
                Callback<job::RateState> done) override;

  void Announce(const job::Worker& worker, Callback<void> done) override;
  void Leave(std::string name) override;
  void Workers(Callback<std::vector<job::Worker>> done) override;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace store
