// Interactive jobs.

#include <boost/asio/io_context.hpp>
#include <chrono>

#include "executor/testing/executor_test_base.h"

namespace executor {
namespace {

using base::ErrorKind;
using job::Status;

TEST_F(ExecutorTest, RunsAnInteractiveJobBesideTheQueue) {
  Start();
  Queue("queued");
  ASSERT_TRUE(UntilStarted(1));  // it has the only slot
  const auto session = Begin("a");
  ASSERT_TRUE(session);
  ASSERT_TRUE(UntilStarted(2));
  EXPECT_TRUE(backend_.specs[1].live_input);
  EXPECT_EQ(backend_.specs[1].limits.wall_time, options_.session_timeout);
  EXPECT_EQ(backend_.specs[1].limits.cpu_time, options_.session_cpu_time);
  bool taken = false;
  (*session)->Write("x", [&] { taken = true; });
  EXPECT_TRUE(Until([&] { return taken; }));
  (*session)->Signal(2);
  (*session)->CloseInput();
  taken = false;
  (*session)->Write("late", [&] { taken = true; });
  EXPECT_TRUE(Until([&] { return taken; }));
  EXPECT_EQ(backend_.written[2], "x<2><end>");
  backend_.End(2, Exit(0));
  ASSERT_TRUE(Until([&] { return store_.outcomes.count("a") != 0; }));
  EXPECT_EQ(store_.outcomes["a"].status, Status::kCompleted);
  Queue("next");  // the queue's slot is still taken
  loop_.restart();
  loop_.run_for(std::chrono::milliseconds(20));
  EXPECT_EQ(backend_.specs.size(), 2U);
}

TEST_F(ExecutorTest, InputWaitsForTheProgram) {
  Start();
  const auto session = Begin("a", "native");
  ASSERT_TRUE(session);
  ASSERT_TRUE(UntilStarted(1));
  bool taken = false;
  (*session)->Signal(2);  // there is no program yet
  (*session)->Write("early", [&] { taken = true; });
  (*session)->CloseInput();
  loop_.restart();
  loop_.run_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(taken);
  EXPECT_FALSE(backend_.specs[0].live_input);
  backend_.End(1, Compiled());
  ASSERT_TRUE(UntilStarted(2));
  EXPECT_TRUE(Until([&] { return taken; }));
  EXPECT_EQ(backend_.written[2], "early<end>");
}

TEST_F(ExecutorTest, ATerminalStartsWithItsLatestSize) {
  Start();
  const auto session = Begin("a", "native", true);
  ASSERT_TRUE(session);
  EXPECT_TRUE((*session)->terminal());
  ASSERT_TRUE(UntilStarted(1));
  EXPECT_FALSE(backend_.specs[0].terminal) << "of the compiler";
  (*session)->Resize({7, 8});
  backend_.End(1, Compiled());
  ASSERT_TRUE(UntilStarted(2));
  const sandbox::Spec& spec = backend_.specs[1];
  ASSERT_TRUE(spec.terminal);
  EXPECT_EQ(spec.terminal->rows, 7);
  EXPECT_EQ(spec.terminal->cols, 8);
  EXPECT_EQ(spec.env.back(), (std::pair<std::string, std::string>("TERM", "xterm-256color")));
  (*session)->Resize({9, 10});
  EXPECT_EQ(backend_.written[2], "<9x10>");
  const auto piped = Begin("b");
  ASSERT_TRUE(piped);
  EXPECT_FALSE((*piped)->terminal());
}

TEST_F(ExecutorTest, InputForAProgramThatNeverStartsIsDropped) {
  Start();
  const auto session = Begin("a", "native");
  ASSERT_TRUE(session);
  ASSERT_TRUE(UntilStarted(1));
  int taken = 0;
  (*session)->Write("early", [&] { ++taken; });
  backend_.End(1, Exit(1));
  ASSERT_TRUE(UntilFinished("a"));
  (*session)->Write("late", [&] { ++taken; });
  EXPECT_TRUE(Until([&] { return taken == 2; }));
}

TEST_F(ExecutorTest, AnInteractiveJobIsCancelledWithItsSession) {
  Start();
  auto session = Begin("a");
  ASSERT_TRUE(session);
  ASSERT_TRUE(UntilStarted(1));
  session->reset();
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(store_.outcomes["a"].status, Status::kCancelled);
}

TEST_F(ExecutorTest, SessionsAreBounded) {
  options_.sessions = 1;
  Start();
  const auto session = Begin("a");
  ASSERT_TRUE(session);
  const auto more = Begin("b");
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().kind, ErrorKind::kExhausted);
  ASSERT_TRUE(UntilStarted(1));
  backend_.End(1, Exit(0));
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_TRUE(Begin("b"));
}

TEST_F(ExecutorTest, AnInteractiveJobIsNotRunAgain) {
  Start();
  job::Job lost;
  lost.id = "lost";
  lost.attempts = 1;  // the lease makes it two
  lost.submission.language = "script";
  lost.submission.interactive = true;
  store_.Queue(lost);
  ASSERT_TRUE(UntilFinished("lost"));
  EXPECT_EQ(store_.outcomes["lost"].status, Status::kFailed);
  const auto session = Begin("a");
  ASSERT_TRUE(session);
  ASSERT_TRUE(UntilStarted(1));
  backend_.End(1, Broken());
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(store_.outcomes["a"].status, Status::kFailed);
  EXPECT_EQ(backend_.specs.size(), 1U);
}

TEST_F(ExecutorTest, AnInteractiveJobFailsAtTheEndOfTheService) {
  Start();
  const auto session = Begin("a");
  ASSERT_TRUE(session);
  ASSERT_TRUE(UntilStarted(1));
  bool drained = false;
  executor_->Stop(0, [&] { drained = true; });
  ASSERT_TRUE(Until([&] { return drained; }));
  EXPECT_EQ(store_.outcomes["a"].status, Status::kFailed);
  EXPECT_TRUE(store_.released.empty());
  const auto late = Begin("b");
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::kUnavailable);
}

}  // namespace
}  // namespace executor
