#include "executor/output_feed.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <string>
#include <vector>

namespace executor {
namespace {

using sandbox::Stream;

class OutputFeedTest : public testing::Test {
 protected:
  OutputFeed MakeFeed() {
    return {loop_, 7, [this](job::OutputChunk chunk) { told_.push_back(std::move(chunk)); }};
  }

  void Until(size_t chunks) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (told_.size() < chunks && std::chrono::steady_clock::now() < deadline) {
      loop_.restart();
      loop_.run_one_until(deadline);
    }
    ASSERT_EQ(told_.size(), chunks);
  }

  boost::asio::io_context loop_;
  std::vector<job::OutputChunk> told_;
};

TEST_F(OutputFeedTest, TellsTheFirstWriteAtOnce) {
  OutputFeed feed = MakeFeed();
  feed.Write(Stream::kStderr, "prompt> ");
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_EQ(told_[0].run, 7U);
  EXPECT_EQ(told_[0].stream, Stream::kStderr);
  EXPECT_EQ(told_[0].offset, 0);
  EXPECT_EQ(told_[0].data, "prompt> ");
}

TEST_F(OutputFeedTest, GathersWhatFollowsInOrder) {
  OutputFeed feed = MakeFeed();
  feed.Write(Stream::kStdout, "a");
  feed.Write(Stream::kStdout, "b");
  feed.Write(Stream::kStdout, "c");
  feed.Write(Stream::kStderr, "x");
  feed.Write(Stream::kStdout, "d");
  EXPECT_EQ(told_.size(), 1U);
  Until(4);
  EXPECT_EQ(told_[1].data, "bc");
  EXPECT_EQ(told_[1].offset, 1);
  EXPECT_EQ(told_[2].data, "x");
  EXPECT_EQ(told_[2].offset, 0);
  EXPECT_EQ(told_[3].data, "d");
  EXPECT_EQ(told_[3].offset, 3);
}

TEST_F(OutputFeedTest, DoesNotWaitWithMuch) {
  OutputFeed feed = MakeFeed();
  feed.Write(Stream::kStdout, "a");
  feed.Write(Stream::kStdout, std::string(OutputFeed::kGathered, 'x'));
  EXPECT_EQ(told_.size(), 2U);
}

TEST_F(OutputFeedTest, FlushTellsTheRest) {
  OutputFeed feed = MakeFeed();
  feed.Write(Stream::kStdout, "a");
  feed.Write(Stream::kStdout, "b");
  feed.Flush();
  feed.Flush();
  ASSERT_EQ(told_.size(), 2U);
  EXPECT_EQ(told_[1].data, "b");
  feed.Write(Stream::kStdout, "c");
  Until(3);
  EXPECT_EQ(told_[2].data, "c");
}

TEST_F(OutputFeedTest, TellsNothingAfterItsEnd) {
  {
    OutputFeed feed = MakeFeed();
    feed.Write(Stream::kStdout, "a");
    feed.Write(Stream::kStdout, "b");
  }
  loop_.run();
  EXPECT_EQ(told_.size(), 1U);
}

}  // namespace
}  // namespace executor
