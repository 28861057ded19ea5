#include "executor/executor.h"

#include <boost/asio/io_context.hpp>

#include "executor/testing/executor_test_base.h"

namespace executor {
namespace {

using base::Error;
using base::ErrorKind;
using job::Status;
using job::Verdict;

TEST_F(ExecutorTest, RunsAnInterpretedJob) {
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  const sandbox::Spec& spec = backend_.specs[0];
  EXPECT_EQ(spec.profile, sandbox::Profile::kRun);
  ASSERT_EQ(spec.argv.size(), 2U);
  EXPECT_EQ(spec.argv[0], languages_.Find("script")->tool);
  EXPECT_EQ(spec.argv[1], "main.x");
  ASSERT_EQ(spec.files.size(), 1U);
  EXPECT_EQ(spec.files[0].path, "main.x");
  EXPECT_EQ(spec.files[0].content, "code of a");
  EXPECT_EQ(spec.stdin_data, "stdin of a");
  EXPECT_EQ(spec.limits.wall_time, options_.timeout);
  EXPECT_EQ(spec.limits.memory_bytes, options_.memory_bytes);
  backend_.End(1, Exit(0, "hello\n"));
  ASSERT_TRUE(UntilFinished("a"));
  const job::Outcome& outcome = store_.outcomes["a"];
  EXPECT_EQ(outcome.status, Status::kCompleted);
  EXPECT_GT(outcome.finished_at, 0);
  ASSERT_TRUE(outcome.result);
  EXPECT_EQ(outcome.result->verdict, Verdict::kOk);
  EXPECT_EQ(outcome.result->stdout_data, "hello\n");
  EXPECT_EQ(outcome.result->queue_time, 7);
  EXPECT_EQ(outcome.result->start_time, 11);
  EXPECT_FALSE(outcome.result->compile);
}

TEST_F(ExecutorTest, TellsOfAJobOnceItsOutcomeIsStored) {
  Start();
  std::vector<std::shared_ptr<const job::Job>> ended;
  executor_->OnEnd([&](std::shared_ptr<const job::Job> job) { ended.push_back(std::move(job)); });
  store_.finish_errors = {Error{base::ErrorKind::kConflict, "someone else's", 0}};
  Queue("lost");
  ASSERT_TRUE(UntilStarted(1));
  backend_.End(1, Exit(0));
  ASSERT_TRUE(Until([&] { return store_.finish_calls == 1 && executor_->running() == 0; }));
  Queue("a");
  ASSERT_TRUE(UntilStarted(2));
  EXPECT_TRUE(ended.empty());
  backend_.End(2, Exit(3, "hello\n"));
  ASSERT_TRUE(Until([&] { return !ended.empty(); }));
  ASSERT_EQ(ended.size(), 1U);
  const job::Job& job = *ended[0];
  EXPECT_EQ(job.id, "a");
  EXPECT_EQ(job.status, Status::kCompleted);
  EXPECT_EQ(job.submission.language, "script");
  EXPECT_TRUE(job.submission.code.empty());
  EXPECT_EQ(job.attempts, 1);
  EXPECT_EQ(job.finished_at, store_.outcomes["a"].finished_at);
  ASSERT_TRUE(job.result);
  EXPECT_EQ(job.result->stdout_data, "hello\n");
  EXPECT_EQ(job.result->exit_code, 3);
}

TEST_F(ExecutorTest, HonoursTheTimeoutOfTheSubmission) {
  Start();
  job::Job job;
  job.id = "a";
  job.submission.language = "script";
  job.submission.timeout = 42;
  store_.Queue(job);
  ASSERT_TRUE(UntilStarted(1));
  EXPECT_EQ(backend_.specs[0].limits.wall_time, 42);
}

TEST_F(ExecutorTest, CompilesThenRunsTheBinary) {
  Start();
  Queue("a", "native");
  ASSERT_TRUE(UntilStarted(1));
  const sandbox::Spec compile = backend_.specs[0];
  EXPECT_EQ(compile.profile, sandbox::Profile::kCompile);
  EXPECT_EQ(compile.files[0].content, "code of a");
  EXPECT_EQ(compile.collect, std::vector<std::string>{"prog"});
  EXPECT_EQ(compile.stdin_data, "");
  EXPECT_EQ(compile.limits.wall_time, options_.compile_timeout);
  EXPECT_EQ(compile.limits.memory_bytes, 2LL << 30);
  EXPECT_EQ(compile.limits.processes, options_.compile_processes);
  sandbox::RunResult compiled = Compiled();
  compiled.stderr_data = "warning";
  const auto binary = compiled.collected[0].fd;
  backend_.End(1, compiled);
  ASSERT_TRUE(UntilStarted(2));
  const sandbox::Spec& run = backend_.specs[1];
  EXPECT_EQ(run.profile, sandbox::Profile::kRun);
  ASSERT_EQ(run.files.size(), 1U);
  EXPECT_EQ(run.files[0].path, "prog");
  EXPECT_TRUE(run.files[0].executable);
  EXPECT_EQ(run.files[0].fd, binary);
  EXPECT_EQ(run.limits.processes, 100);
  EXPECT_EQ(run.stdin_data, "stdin of a");
  backend_.End(2, Exit(5));
  ASSERT_TRUE(UntilFinished("a"));
  const job::Result& result = *store_.outcomes["a"].result;
  EXPECT_EQ(result.verdict, Verdict::kNonzeroExit);
  ASSERT_TRUE(result.compile);
  EXPECT_EQ(result.compile->stderr_data, "warning");
  EXPECT_EQ(result.compile->exit_code, 0);
}

TEST_F(ExecutorTest, ReportsACompileErrorWithoutRunning) {
  Start();
  Queue("a", "native");
  ASSERT_TRUE(UntilStarted(1));
  sandbox::RunResult failed = Exit(1);
  failed.stderr_data = "main.x:1: wrong";
  backend_.End(1, failed);
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(backend_.specs.size(), 1U);
  const job::Result& result = *store_.outcomes["a"].result;
  EXPECT_EQ(result.verdict, Verdict::kCompileError);
  EXPECT_EQ(result.message, "The program did not compile.");
  EXPECT_EQ(result.compile->stderr_data, "main.x:1: wrong");
  EXPECT_FALSE(result.exit_code);
}

TEST_F(ExecutorTest, TriesAgainWhenTheSandboxFails) {
  Start();
  Queue("a", "native");
  ASSERT_TRUE(UntilStarted(1));
  backend_.End(1, Compiled());
  ASSERT_TRUE(UntilStarted(2));
  backend_.End(2, Broken());
  ASSERT_TRUE(UntilStarted(3));
  EXPECT_EQ(backend_.specs[2].profile, sandbox::Profile::kCompile)
      << "it starts from the beginning";
  backend_.End(3, Compiled());
  ASSERT_TRUE(UntilStarted(4));
  backend_.End(4, Exit(0));
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(store_.outcomes["a"].result->verdict, Verdict::kOk);
}

TEST_F(ExecutorTest, FailsTheJobWhenTheSandboxKeepsFailing) {
  Start();
  Queue("a");
  for (size_t run = 1; run <= 3; ++run) {
    ASSERT_TRUE(UntilStarted(run));
    backend_.End(run, Broken());
  }
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(store_.outcomes["a"].status, Status::kFailed);
  EXPECT_EQ(store_.outcomes["a"].error, "The sandbox failed: mount: EPERM");
  EXPECT_FALSE(store_.outcomes["a"].result);
}

TEST_F(ExecutorTest, FailsJobsOfLanguagesThatItCannotRun) {
  Start();
  Queue("a", "cobol");
  Queue("b", "absent");
  ASSERT_TRUE(UntilFinished("a"));
  ASSERT_TRUE(UntilFinished("b"));
  EXPECT_EQ(store_.outcomes["a"].error, "The language 'cobol' is not known to this worker.");
  EXPECT_EQ(store_.outcomes["b"].status, Status::kFailed);
  EXPECT_TRUE(store_.outcomes["b"].error.find("none of its tools was found") != std::string::npos);
}

TEST_F(ExecutorTest, NeverRunsMoreThanItsSlots) {
  options_.slots = 2;
  for (const char* id : {"a", "b", "c", "d", "e"}) {
    Queue(id);
  }
  Start();
  size_t most = 0;
  ASSERT_TRUE(Until([&] {
    most = std::max(most, backend_.running.size());
    if (backend_.running.size() == 2 || backend_.specs.size() == 5) {
      backend_.End(backend_.running.empty() ? 0 : backend_.running.begin()->first, Exit(0));
    }
    return store_.outcomes.size() == 5;
  }));
  EXPECT_EQ(most, 2U);
  EXPECT_EQ(store_.most_asked, 2);
}

TEST_F(ExecutorTest, RenewsItsLeaseWhileItRuns) {
  options_.lease_time = 30 * base::kMillisecond;
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  ASSERT_TRUE(Until([&] { return store_.renewals >= 3; }));
  EXPECT_TRUE(backend_.cancelled.empty());
  backend_.End(1, Exit(0));
  ASSERT_TRUE(UntilFinished("a"));
}

TEST_F(ExecutorTest, KillsAndDropsAJobWhoseLeaseIsLost) {
  options_.lease_time = 30 * base::kMillisecond;
  store_.renew_answer = Error{ErrorKind::kConflict, "stale", 0};
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  ASSERT_TRUE(Until([&] { return executor_->running() == 0; }));
  EXPECT_EQ(backend_.cancelled.size(), 1U);
  EXPECT_EQ(store_.finish_calls, 0);
  EXPECT_TRUE(store_.released.empty());
}

TEST_F(ExecutorTest, KeepsRunningWhenARenewalFailsForNow) {
  options_.lease_time = 30 * base::kMillisecond;
  store_.renew_answer = Error{ErrorKind::kUnavailable, "disk", 0};
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  ASSERT_TRUE(Until([&] { return store_.renewals >= 2; }));
  EXPECT_TRUE(backend_.cancelled.empty());
}

TEST_F(ExecutorTest, StoresTheOutcomeOnceTheStoreIsBack) {
  store_.finish_errors = {{ErrorKind::kUnavailable, "disk", 0}, {ErrorKind::kInternal, "disk", 0}};
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  backend_.End(1, Exit(0));
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(store_.finish_calls, 3);
}

TEST_F(ExecutorTest, KeepsTryingToStoreAnOutcomeWhileTheStoreIsAway) {
  options_.lease_time = 100 * base::kMillisecond;
  for (int i = 0; i < 3; ++i) {
    store_.finish_errors.push_back({ErrorKind::kUnavailable, "away", 0});
  }
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  backend_.End(1, Exit(0));
  ASSERT_TRUE(UntilFinished("a")) << "the token decides, not the time";
  EXPECT_EQ(store_.finish_calls, 4);
}

TEST_F(ExecutorTest, GivesUpAnOutcomeThatIsNoLongerItsOwn) {
  store_.finish_errors = {{ErrorKind::kConflict, "stale", 0}};
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  backend_.End(1, Exit(0));
  ASSERT_TRUE(Until([&] { return store_.finish_calls == 1 && executor_->running() == 0; }));
  EXPECT_TRUE(store_.outcomes.empty());
}

TEST_F(ExecutorTest, PublishesOutputBeforeTheOutcome) {
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  backend_.outputs[0](sandbox::Stream::kStdout, "one ");
  ASSERT_EQ(store_.published["a"].size(), 1U);
  EXPECT_EQ(store_.published["a"][0].data, "one ");
  EXPECT_EQ(store_.published["a"][0].run, 1U);
  backend_.outputs[0](sandbox::Stream::kStdout, "two");
  backend_.outputs[0](sandbox::Stream::kStderr, "bad");
  backend_.End(1, Exit(0, "one two"));
  size_t at_the_end = 0;
  ASSERT_TRUE(Until([&] {
    at_the_end = store_.published["a"].size();
    return store_.finish_calls == 1;
  }));
  EXPECT_EQ(at_the_end, 3U);
  EXPECT_EQ(store_.published["a"][1].offset, 4);
  EXPECT_EQ(store_.published["a"][1].data, "two");
  EXPECT_EQ(store_.published["a"][2].data, "bad");
}

TEST_F(ExecutorTest, PublishesWhatTheProgramUsesButNotTheCompiler) {
  Start();
  Queue("a", "native");
  ASSERT_TRUE(UntilStarted(1));
  EXPECT_TRUE(backend_.watched.empty());
  backend_.End(1, Compiled());
  ASSERT_TRUE(UntilStarted(2));
  sandbox::LiveUsage usage;
  usage.wall_time = 5;
  const auto tell = backend_.watched.at(2);
  tell(usage);
  ASSERT_EQ(store_.usages["a"].size(), 1U);
  EXPECT_EQ(store_.usages["a"][0].wall_time, 5);
  backend_.End(2, Exit(0));
  ASSERT_TRUE(UntilFinished("a"));
  tell(usage);
  EXPECT_EQ(store_.usages["a"].size(), 1U) << "after the outcome";
}

TEST_F(ExecutorTest, DoesNotPublishTheCompilersOutput) {
  Start();
  Queue("a", "native");
  ASSERT_TRUE(UntilStarted(1));
  EXPECT_FALSE(backend_.outputs[0]);
  backend_.End(1, Compiled());
  ASSERT_TRUE(UntilStarted(2));
  EXPECT_TRUE(backend_.outputs[1]);
}

TEST_F(ExecutorTest, ATryThatFailedIsNotToldTwice) {
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  backend_.outputs[0](sandbox::Stream::kStdout, "1234");
  backend_.End(1, Broken());
  ASSERT_TRUE(UntilStarted(2));
  backend_.outputs[1](sandbox::Stream::kStdout, "12");
  backend_.outputs[1](sandbox::Stream::kStdout, "3456");
  backend_.outputs[1](sandbox::Stream::kStderr, "x");
  backend_.End(2, Exit(0, "123456"));
  ASSERT_TRUE(UntilFinished("a"));
  std::string out;
  for (const job::OutputChunk& chunk : store_.published["a"]) {
    if (chunk.stream == sandbox::Stream::kStdout) {
      EXPECT_EQ(chunk.offset, static_cast<int64_t>(out.size()));
      out += chunk.data;
    }
  }
  EXPECT_EQ(out, "123456");
}

TEST_F(ExecutorTest, JudgesOnTestsInSpareSlots) {
  options_.slots = 3;
  Start();
  job::Job job;
  job.id = "a";
  job.submission.language = "native";
  job.submission.tests.resize(4);
  job.submission.tests[2].expected_output = "other";
  store_.Queue(job);
  ASSERT_TRUE(UntilStarted(1));
  EXPECT_EQ(backend_.specs[0].profile, sandbox::Profile::kCompile);
  backend_.End(1, Compiled());
  ASSERT_TRUE(UntilStarted(4)) << "three tests at once";
  EXPECT_EQ(backend_.running.size(), 3U);
  for (uint64_t run = 2; run <= 5; ++run) {
    ASSERT_TRUE(UntilStarted(run));
    backend_.End(run, Exit(0, "out"));
  }
  ASSERT_TRUE(UntilFinished("a"));
  const job::Result& result = *store_.outcomes["a"].result;
  EXPECT_EQ(result.verdict, Verdict::kWrongAnswer);
  ASSERT_EQ(result.tests.size(), 4U);
  EXPECT_EQ(result.tests[2].verdict, Verdict::kWrongAnswer);
  EXPECT_EQ(result.tests[3].verdict, Verdict::kOk);
  EXPECT_EQ(result.points, 3);
  EXPECT_TRUE(result.compile);
}

TEST_F(ExecutorTest, AWaitingJobGoesBeforeTests) {
  options_.slots = 2;
  Start();
  job::Job job;
  job.id = "a";
  job.submission.language = "script";
  job.submission.tests.resize(6);
  store_.Queue(job);
  ASSERT_TRUE(UntilStarted(2));
  Queue("b");
  backend_.End(1, Exit(0));
  ASSERT_TRUE(UntilStarted(3));
  ASSERT_TRUE(Until([&] {
    return std::any_of(backend_.specs.begin(), backend_.specs.end(),
                       [](const auto& spec) { return spec.stdin_data == "stdin of b"; });
  }));
  EXPECT_LE(backend_.running.size(), 2U);
  while (store_.outcomes.count("a") == 0 || store_.outcomes.count("b") == 0) {
    ASSERT_TRUE(Until([&] { return !backend_.running.empty() || store_.outcomes.size() == 2; }));
    EXPECT_LE(backend_.running.size(), 2U);
    if (!backend_.running.empty()) {
      backend_.End(backend_.running.begin()->first, Exit(0));
    }
    ASSERT_TRUE(Until([&] { return !backend_.running.empty() || store_.outcomes.size() == 2; }));
  }
  EXPECT_EQ(store_.outcomes["a"].result->tests.size(), 6U);
  EXPECT_EQ(store_.outcomes["b"].status, Status::kCompleted);
}

TEST_F(ExecutorTest, AClientsCancelEndsTheTests) {
  options_.slots = 2;
  Start();
  job::Job job;
  job.id = "a";
  job.submission.language = "script";
  job.submission.tests.resize(10);
  store_.Queue(job);
  ASSERT_TRUE(UntilStarted(2));
  store_.cancel_listener("a");
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(store_.outcomes["a"].status, Status::kCancelled);
  EXPECT_EQ(backend_.specs.size(), 2U);
}

TEST_F(ExecutorTest, DestructionKillsTests) {
  options_.slots = 2;
  Start();
  job::Job job;
  job.id = "a";
  job.submission.language = "script";
  job.submission.tests.resize(10);
  store_.Queue(job);
  ASSERT_TRUE(UntilStarted(2));
  executor_.reset();
  EXPECT_EQ(backend_.cancelled.size(), 2U);
  loop_.restart();
  loop_.run();
  EXPECT_EQ(backend_.specs.size(), 2U);
}

}  // namespace
}  // namespace executor
