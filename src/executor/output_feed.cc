#include "executor/output_feed.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <utility>

namespace executor {

// Outlives the feed while its wait is under way; `feed` is null from the feed's end on.
struct OutputFeed::Timer {
  Timer(boost::asio::io_context& loop, OutputFeed* owner) : timer(loop), feed(owner) {}

  boost::asio::steady_timer timer;
  OutputFeed* feed;
  bool armed = false;
};

OutputFeed::OutputFeed(boost::asio::io_context& loop, uint64_t run, Publish publish)
    : run_(run), publish_(std::move(publish)), timer_(std::make_shared<Timer>(loop, this)) {}

// NOLINTNEXTLINE(bugprone-exception-escape): cancelling timers throws for bad descriptors only
OutputFeed::~OutputFeed() {
  timer_->feed = nullptr;
  timer_->timer.cancel();
}

void OutputFeed::Write(sandbox::Stream stream, std::string_view data) {
  if (data.empty()) {
    return;
  }
  int64_t& end = stream == sandbox::Stream::kStdout ? stdout_end_ : stderr_end_;
  if (gathered_.empty() || gathered_.back().stream != stream) {
    gathered_.push_back({run_, stream, end, ""});
  }
  gathered_.back().data += data;
  end += static_cast<int64_t>(data.size());
  bytes_ += data.size();
  const base::Nanos wait = told_at_ + kPause - base::MonotonicNow();
  if (bytes_ >= kGathered || wait <= 0) {
    Flush();
    return;
  }
  if (std::exchange(timer_->armed, true)) {
    return;
  }
  timer_->timer.expires_after(std::chrono::nanoseconds(wait));
  timer_->timer.async_wait([timer = timer_](const boost::system::error_code& error) {
    timer->armed = false;
    if (!error && timer->feed != nullptr) {
      timer->feed->Flush();
    }
  });
}

void OutputFeed::Flush() {
  if (gathered_.empty()) {
    return;
  }
  told_at_ = base::MonotonicNow();
  bytes_ = 0;
  for (job::OutputChunk& chunk : std::exchange(gathered_, {})) {
    publish_(std::move(chunk));
  }
}

}  // namespace executor
