// Jobs that end before their program does: the executor stops, is destroyed, or a client cancels.

#include <boost/asio/io_context.hpp>

#include "executor/testing/executor_test_base.h"

namespace executor {
namespace {

using base::ErrorKind;
using job::Status;

TEST_F(ExecutorTest, Stop_WaitsForRunningJobsAndTakesNoMore) {
  Start();
  Queue("a");
  Queue("b");
  ASSERT_TRUE(UntilStarted(1));
  bool drained = false;
  executor_->Stop(base::kMinute, [&] { drained = true; });
  EXPECT_FALSE(drained);
  backend_.End(1, Exit(0));
  ASSERT_TRUE(Until([&] { return drained; }));
  EXPECT_EQ(store_.outcomes.size(), 1U);
  EXPECT_EQ(backend_.specs.size(), 1U);
}

TEST_F(ExecutorTest, Stop_KillsAndReleasesPastItsDeadline) {
  options_.slots = 2;
  Start();
  Queue("a");
  Queue("b", "native");
  ASSERT_TRUE(UntilStarted(2));
  bool drained = false;
  executor_->Stop(20 * base::kMillisecond, [&] { drained = true; });
  ASSERT_TRUE(Until([&] { return drained; }));
  EXPECT_EQ(store_.released, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(store_.outcomes.empty());
  EXPECT_EQ(executor_->running(), 0);
}

TEST_F(ExecutorTest, Stop_DoesNotWaitForeverForADeafSandbox) {
  backend_.deaf = true;
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  bool drained = false;
  executor_->Stop(0, [&] { drained = true; });
  ASSERT_TRUE(Until([&] { return drained; }));
  EXPECT_EQ(executor_->running(), 1);
}

TEST_F(ExecutorTest, Stop_ReleasesJobsThatArriveTooLate) {
  Start();
  Queue("a");
  ASSERT_TRUE(Until([&] { return store_.lease_calls == 1; }));
  bool drained = false;
  executor_->Stop(base::kMinute, [&] { drained = true; });
  ASSERT_TRUE(Until([&] { return drained; }));
  EXPECT_EQ(store_.released, std::vector<std::string>{"a"});
  EXPECT_TRUE(backend_.specs.empty());
}

TEST_F(ExecutorTest, Stop_OfAnIdleOneIsPromptButNotReentrant) {
  Start();
  bool drained = false;
  executor_->Stop(base::kMinute, [&] { drained = true; });
  EXPECT_FALSE(drained);
  ASSERT_TRUE(Until([&] { return drained; }));
}

TEST_F(ExecutorTest, DestructionKillsWhatRuns) {
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  executor_.reset();
  EXPECT_EQ(backend_.cancelled.size(), 1U);
  loop_.restart();
  loop_.run();
  EXPECT_EQ(store_.finish_calls, 0);
}

TEST_F(ExecutorTest, AClientsCancelKillsTheRun) {
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  store_.cancel_listener("a");
  store_.cancel_listener("a");
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(backend_.cancelled, std::vector<uint64_t>{1});
  EXPECT_EQ(store_.outcomes["a"].status, Status::kCancelled);
  EXPECT_FALSE(store_.outcomes["a"].result);
  EXPECT_GT(store_.outcomes["a"].finished_at, 0);
  EXPECT_TRUE(store_.released.empty());
}

TEST_F(ExecutorTest, AClientsCancelEndsTheCompiler) {
  Start();
  Queue("a", "native");
  ASSERT_TRUE(UntilStarted(1));
  store_.cancel_listener("a");
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(store_.outcomes["a"].status, Status::kCancelled);
  EXPECT_EQ(backend_.specs.size(), 1U);
}

TEST_F(ExecutorTest, AClientsCancelHitsThatJobAlone) {
  options_.slots = 2;
  Start();
  Queue("a");
  Queue("b");
  ASSERT_TRUE(UntilStarted(2));
  store_.cancel_listener("unknown");
  store_.cancel_listener("b");
  ASSERT_TRUE(Until([&] { return store_.outcomes.count("b") != 0; }));
  EXPECT_EQ(backend_.cancelled, std::vector<uint64_t>{2});
  backend_.End(1, Exit(0));
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(store_.outcomes["a"].status, Status::kCompleted);
}

TEST_F(ExecutorTest, ACancelThatComesTooLateLeavesTheOutcome) {
  store_.finish_errors.push_back({ErrorKind::kUnavailable, "disk", 0});
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  backend_.End(1, Exit(0, "out"));
  ASSERT_TRUE(Until([&] { return store_.finish_calls == 1; }));
  store_.cancel_listener("a");
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(store_.outcomes["a"].status, Status::kCompleted);
}

}  // namespace
}  // namespace executor
