#pragma once

#include <pthread.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace store {

// A thread that handles what it is given, in order, all that waits at a time: the slower it is, the
// larger the batches. Thread-safe. The destructor blocks until all that was added is handled.
template <typename T>
class BatchThread {
 public:
  using Batch = std::vector<T>;

  // `name`, a literal of at most 15 bytes, is what tools show of the thread.
  // `handle` is called on the thread, with one element at least.
  BatchThread(const char* name, std::function<void(Batch)> handle)
      : handle_(std::move(handle)), thread_([this, name] { Run(name); }) {}

  ~BatchThread() {
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  BatchThread(const BatchThread&) = delete;
  BatchThread& operator=(const BatchThread&) = delete;

  // Unbounded: the caller bounds it.
  void Add(T element) {
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      waiting_.push_back(std::move(element));
    }
    wake_.notify_one();
  }

 private:
  void Run(const char* name) {
    ::pthread_setname_np(::pthread_self(), name);
    std::unique_lock<std::mutex> guard(mutex_);
    for (;;) {
      wake_.wait(guard, [&] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) {
        return;
      }
      Batch batch = std::exchange(waiting_, {});
      guard.unlock();
      handle_(std::move(batch));
      guard.lock();
    }
  }

  const std::function<void(Batch)> handle_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Batch waiting_;          // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;     // last: starts when all else is there
};

}  // namespace store
