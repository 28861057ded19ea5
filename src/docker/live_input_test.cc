#include "docker/live_input.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <csignal>
#include <cstring>
#include <utility>

namespace docker {
namespace {

using wire::ControlType;

class FeedTest : public testing::Test {
 protected:
  // The Controls in what is taken next, each with its data or its detail.
  std::vector<std::pair<ControlType, std::string>> Take() {
    std::string bytes = feed_.Take();
    std::vector<std::pair<ControlType, std::string>> out;
    while (bytes.size() >= sizeof(wire::Control)) {
      wire::Control control{};
      std::memcpy(&control, bytes.data(), sizeof(control));
      bytes.erase(0, sizeof(control));
      const auto type = static_cast<ControlType>(control.type);
      const bool input = type == ControlType::kInput;
      out.emplace_back(type,
                       input ? bytes.substr(0, control.detail) : std::to_string(control.detail));
      bytes.erase(0, input ? control.detail : 0);
    }
    EXPECT_EQ(bytes, "");
    return out;
  }

  void Write(const std::string& data) {
    feed_.Write(data, [this] { ++done_; });
  }

  int Done() {
    loop_.restart();
    loop_.poll();
    return done_;
  }

  using Controls = std::vector<std::pair<ControlType, std::string>>;

  boost::asio::io_context loop_;
  Feed feed_{loop_};
  int done_ = 0;
};

TEST_F(FeedTest, PiecesAreDoneWhenTheyAreTaken) {
  Write("one");
  Write("two!");
  EXPECT_EQ(Take(), (Controls{{ControlType::kInput, "one"}, {ControlType::kInput, "two!"}}));
  EXPECT_EQ(Done(), 0);
  EXPECT_TRUE(feed_.Taken(2));
  EXPECT_EQ(Done(), 0);
  EXPECT_TRUE(feed_.Taken(2));
  EXPECT_EQ(done_, 0) << "from within the call";
  EXPECT_EQ(Done(), 1);
  EXPECT_TRUE(feed_.Taken(3));
  EXPECT_EQ(Done(), 2);
  EXPECT_FALSE(feed_.Taken(1)) << "more than was given";
}

TEST_F(FeedTest, NoMoreIsUnderWayThanTheWindow) {
  const size_t size = size_t{3} * wire::kInputWindow / 2;
  Write(std::string(size, 'x'));
  const auto bytes = [this] {
    size_t sum = 0;
    for (const auto& [type, data] : Take()) {
      sum += type == ControlType::kInput ? data.size() : 0;
    }
    return sum;
  };
  feed_.CloseInput();
  EXPECT_EQ(bytes(), wire::kInputWindow);
  EXPECT_EQ(bytes(), 0U);
  EXPECT_TRUE(feed_.Taken(100));
  EXPECT_EQ(bytes(), 100U);
  EXPECT_TRUE(feed_.Taken(wire::kInputWindow));
  EXPECT_EQ(bytes(), size - wire::kInputWindow - 100);
  EXPECT_EQ(Done(), 0);
  EXPECT_TRUE(feed_.Taken(static_cast<uint32_t>(size) - wire::kInputWindow - 100));
  EXPECT_EQ(Done(), 1);
}

TEST_F(FeedTest, TheEndComesOnceAndLast) {
  Write("x");
  feed_.CloseInput();
  EXPECT_EQ(Take(), (Controls{{ControlType::kInput, "x"}, {ControlType::kInputEnd, "0"}}));
  feed_.CloseInput();
  EXPECT_EQ(Take(), Controls());
}

TEST_F(FeedTest, SignalsNeedAProgramAndPassTheInput) {
  feed_.Signal(SIGINT);
  int woken = 0;
  feed_.Attach([&] { ++woken; });
  EXPECT_EQ(Take(), Controls());
  Write(std::string(size_t{2} * wire::kInputWindow, 'x'));
  Take();
  feed_.Signal(SIGTERM);
  EXPECT_EQ(Take(), (Controls{{ControlType::kSignal, std::to_string(SIGTERM)}}));
  EXPECT_EQ(woken, 3);
  for (int i = 0; i < 1000; ++i) {
    feed_.Signal(SIGUSR1);
  }
  EXPECT_LT(Take().size(), 100U) << "those that wait are bounded";
}

TEST_F(FeedTest, TheLastOfManySizesCounts) {
  feed_.Resize({1, 2});
  feed_.Resize({3, 4});
  EXPECT_EQ(Take(), (Controls{{ControlType::kResize, std::to_string(3U << 16 | 4U)}}));
  EXPECT_EQ(Take(), Controls());
}

TEST_F(FeedTest, ASizeBeforeTheJobIsSentIsItsFirst) {
  sandbox::Spec spec;
  spec.terminal = {1, 2};
  feed_.TakeSize(&spec);
  EXPECT_EQ(spec.terminal->rows, 1);
  feed_.Resize({3, 4});
  feed_.TakeSize(&spec);
  EXPECT_EQ(spec.terminal->rows, 3);
  EXPECT_EQ(spec.terminal->cols, 4);
  EXPECT_EQ(Take(), Controls());
}

TEST_F(FeedTest, WhatIsDroppedIsDone) {
  Write(std::string(wire::kInputWindow, 'x'));
  Take();
  Write("never sent");
  feed_.Drop();
  EXPECT_EQ(done_, 0);
  EXPECT_EQ(Done(), 2);
  Write("late");
  EXPECT_EQ(Done(), 3);
}

TEST(Feeds, AreThoseOfLiveRuns) {
  boost::asio::io_context loop;
  Feeds feeds(loop);
  sandbox::Spec spec;
  EXPECT_EQ(feeds.Add(1, spec), nullptr);
  spec.live_input = true;
  spec.stdin_data = "first";
  const auto feed = feeds.Add(2, spec);
  ASSERT_NE(feed, nullptr);
  EXPECT_NE(feed->Take().find("first"), std::string::npos);
  int done = 0;
  for (uint64_t run = 1; run <= 3; ++run) {
    feeds.Write(run, "x", [&] { ++done; });
    feeds.Signal(run, SIGINT);
    feeds.Resize(run, {1, 1});
    feeds.CloseInput(run);
  }
  loop.poll();
  EXPECT_EQ(done, 2) << "there is no such run, or it is not fed";
  feeds.Remove(2);
  loop.restart();
  loop.poll();
  EXPECT_EQ(done, 3);
}

}  // namespace
}  // namespace docker
