#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "job/store.h"
#include "sandbox/spec.h"

namespace boost::asio {
class io_context;
}

namespace executor {

// Gathers what a program writes into few chunks: the first write is told at once, later ones at
// most every kPause, or when kGathered bytes are there. Keeps the order of the writes. Lives on the
// event loop's thread.
class OutputFeed {
 public:
  using Publish = std::function<void(job::OutputChunk)>;

  static constexpr base::Nanos kPause = 10 * base::kMillisecond;
  static constexpr size_t kGathered = size_t{16} << 10;

  // `publish` is called from within Write and Flush, and later; not after destruction.
  OutputFeed(boost::asio::io_context& loop, uint64_t run, Publish publish);
  ~OutputFeed();  // NOLINT(bugprone-exception-escape): as in output_feed.cc

  void Write(sandbox::Stream stream, std::string_view data);

  // Tells what is left.
  void Flush();

 private:
  struct Timer;

  const uint64_t run_;
  const Publish publish_;
  const std::shared_ptr<Timer> timer_;
  std::vector<job::OutputChunk> gathered_;
  size_t bytes_ = 0;
  base::Nanos told_at_ = 0;  // monotonic
  int64_t stdout_end_ = 0;
  int64_t stderr_end_ = 0;
};

}  // namespace executor
