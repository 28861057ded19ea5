#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "job/store.h"
#include "store/redis_client.h"

namespace store {

// Output of running jobs by way of Redis: Publish and WatchOutput of job::Store. Lives on the event
// loop's thread; loop and client must outlive it. Handles may outlive it.
class RedisOutput {
 public:
  RedisOutput(boost::asio::io_context& loop, RedisClient& client, base::Nanos lease_time);
  ~RedisOutput();
  RedisOutput(const RedisOutput&) = delete;
  RedisOutput& operator=(const RedisOutput&) = delete;

  // When this node holds the run, it is collected for a moment, so that a program that prints and
  // ends costs no call of its own. Else Redis decides at once whether the chunk counts.
  void Publish(const std::string& id, job::OutputChunk chunk, bool held);

  // What has been collected and not sent, as arguments of the scripts finish and release; they are
  // the caller's to send.
  std::vector<std::string> Take(const std::string& id, uint64_t run);

  job::Store::WatchHandle Watch(std::string id, job::OutputPosition from,
                                job::Store::OutputListener listener);

  // There may be something new. Calls `told` once the watchers have been told what is in Redis now,
  // or when that cannot be found out; from within the call when nobody watches the job's output.
  void Look(const std::string& id, std::function<void()> told);

  // Looks for all that is watched.
  void LookForAll();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace store
