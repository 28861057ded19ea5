#pragma once

#include <sys/types.h>

#include <atomic>
#include <string>
#include <vector>

#include "base/time.h"
#include "base/unique_fd.h"
#include "store/redis_client.h"

namespace store {

// A real redis-server for one test, on a Unix socket in a folder of its own, whose wall clock the
// test sets. It ends with this object.
class RedisServer {
 public:
  // Starts it and waits until it serves; `arguments` are added to redis-server's.
  explicit RedisServer(std::vector<std::string> arguments = {});
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  // The server that the tests share; started by the first.
  static RedisServer& Shared();

  std::string folder() const { return folder_; }

  RedisAddress address() const;

  // Nanoseconds since the epoch; the server sees every change at once.
  std::atomic<base::Nanos>& clock() { return *clock_; }

  void Stop();   // as kill -9
  void Start();  // again

 private:
  std::string folder_;
  std::vector<std::string> arguments_;
  std::atomic<base::Nanos>* clock_ = nullptr;
  pid_t pid_ = -1;
};

}  // namespace store
