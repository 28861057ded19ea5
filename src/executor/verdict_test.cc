#include "executor/verdict.h"

#include <gtest/gtest.h>

#include <csignal>

namespace executor {
namespace {

using job::Verdict;
using sandbox::Cause;

sandbox::Limits TestLimits() {
  sandbox::Limits limits;
  limits.wall_time = 3 * base::kSecond;
  limits.cpu_time = 1500 * base::kMillisecond;
  limits.memory_bytes = 256LL << 20;
  limits.processes = 64;
  limits.output_bytes = 1LL << 20;
  return limits;
}

struct Case {
  Cause cause;
  int exit_code;
  int signal;
  bool process_limit_hit;
  Verdict verdict;
  std::optional<int> want_exit_code;
  std::optional<int> want_signal;
  const char* message;
};

TEST(RunVerdict, MapsEveryCause) {
  const Case cases[] = {
      {Cause::kExited, 0, 0, false, Verdict::kOk, 0, {}, "The program ended successfully."},
      {Cause::kExited,
       3,
       0,
       false,
       Verdict::kNonzeroExit,
       3,
       {},
       "The program exited with code 3."},
      {Cause::kSignalled,
       0,
       SIGSEGV,
       false,
       Verdict::kSignalled,
       {},
       SIGSEGV,
       "The program was ended by signal 11 (SIGSEGV)."},
      {Cause::kWallTimeLimit,
       0,
       SIGKILL,
       false,
       Verdict::kTimeLimit,
       {},
       {},
       "The program exceeded its time limit of 3s."},
      {Cause::kCpuTimeLimit,
       0,
       SIGKILL,
       false,
       Verdict::kCpuTimeLimit,
       {},
       {},
       "The program exceeded its CPU time limit of 1.5s."},
      {Cause::kMemoryLimit,
       0,
       0,
       false,
       Verdict::kMemoryLimit,
       {},
       {},
       "The program exceeded its memory limit of 256MiB."},
      {Cause::kOutputLimit,
       0,
       0,
       false,
       Verdict::kOutputLimit,
       {},
       {},
       "The program exceeded its output limit of 1MiB a stream."},
      {Cause::kPolicyViolation,
       0,
       SIGSYS,
       false,
       Verdict::kPolicyViolation,
       {},
       SIGSYS,
       "The program made a system call that the sandbox does not allow."},
      {Cause::kExited,
       2,
       0,
       true,
       Verdict::kProcessLimit,
       2,
       {},
       "The program exceeded its limit of 64 processes and threads."},
      {Cause::kSignalled,
       0,
       SIGABRT,
       true,
       Verdict::kProcessLimit,
       {},
       SIGABRT,
       "The program exceeded its limit of 64 processes and threads."},
      // A program that copes with a refused fork has done nothing wrong.
      {Cause::kExited, 0, 0, true, Verdict::kOk, 0, {}, "The program ended successfully."},
      {Cause::kWallTimeLimit,
       0,
       SIGKILL,
       true,
       Verdict::kTimeLimit,
       {},
       {},
       "The program exceeded its time limit of 3s."},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.message);
    sandbox::RunResult run;
    run.cause = c.cause;
    run.exit_code = c.exit_code;
    run.signal = c.signal;
    run.usage.process_limit_hit = c.process_limit_hit;
    const job::Result result = RunVerdict(std::move(run), TestLimits());
    EXPECT_EQ(result.verdict, c.verdict);
    EXPECT_EQ(result.exit_code, c.want_exit_code);
    EXPECT_EQ(result.signal, c.want_signal);
    EXPECT_EQ(result.message, c.message);
  }
}

TEST(RunVerdict, CarriesOutputAndUsage) {
  sandbox::RunResult run;
  run.cause = Cause::kExited;
  run.stdout_data = std::string("a\0b", 3);
  run.stderr_data = "err";
  run.stderr_truncated = true;
  run.usage = {5, 6, 7, 8, false};
  const job::Result result = RunVerdict(std::move(run), TestLimits());
  EXPECT_EQ(result.stdout_data, std::string("a\0b", 3));
  EXPECT_EQ(result.stderr_data, "err");
  EXPECT_FALSE(result.stdout_truncated);
  EXPECT_TRUE(result.stderr_truncated);
  EXPECT_EQ(result.usage.wall_time, 5);
  EXPECT_EQ(result.usage.cpu_time, 6);
  EXPECT_EQ(result.usage.memory_peak_bytes, 7);
  EXPECT_EQ(result.usage.processes_peak, 8);
}

TEST(CompileFailure, SaysWhyInOneSentence) {
  const auto failure = [](Cause cause, int exit_code) {
    sandbox::RunResult run;
    run.cause = cause;
    run.exit_code = exit_code;
    return CompileFailure(run, TestLimits()).value_or("none");
  };
  EXPECT_EQ(failure(Cause::kExited, 1), "The program did not compile.");
  EXPECT_EQ(failure(Cause::kWallTimeLimit, 0), "The compiler exceeded its time limit of 3s.");
  EXPECT_EQ(failure(Cause::kMemoryLimit, 1), "The compiler exceeded its memory limit of 256MiB.");
  EXPECT_EQ(failure(Cause::kExited, 0), "The compiler produced no program.");
}

TEST(CompileFailure, IsNoneWhenTheProgramIsThere) {
  sandbox::RunResult run;
  run.cause = Cause::kExited;
  run.collected.push_back({"main", 0, nullptr, "too large"});
  EXPECT_EQ(CompileFailure(run, TestLimits()),
            "The compiled program could not be read: too large.");
  run.collected[0].fd = std::make_shared<base::UniqueFd>(::dup(2));
  EXPECT_EQ(CompileFailure(run, TestLimits()), std::nullopt);
  const job::CompileResult output = CompileOutput(run);
  EXPECT_EQ(output.exit_code, 0);
  EXPECT_FALSE(output.cached);
}

TEST(TakeCheck, ReadsExitCodesAsTestlibHasThem) {
  const auto verdict = [](sandbox::Cause cause, int code) {
    sandbox::RunResult run;
    run.cause = cause;
    run.exit_code = code;
    run.signal = 11;
    run.stderr_data = "wrong token";
    run.stdout_data = "not this";
    job::TestResult test;
    test.verdict = job::Verdict::kOk;
    test.message = "fine";
    TakeCheck(std::move(run), {}, &test);
    EXPECT_EQ(test.checker_output, "wrong token");
    EXPECT_EQ(test.message == "fine", test.verdict == job::Verdict::kOk);
    return test.verdict;
  };
  EXPECT_EQ(verdict(Cause::kExited, 0), job::Verdict::kOk);
  EXPECT_EQ(verdict(Cause::kExited, 1), job::Verdict::kWrongAnswer);
  for (const int code : {2, 4, 8}) {
    EXPECT_EQ(verdict(Cause::kExited, code), job::Verdict::kPresentationError) << code;
  }
  for (const int code : {3, 7, 255}) {
    EXPECT_EQ(verdict(Cause::kExited, code), job::Verdict::kCheckerError) << code;
  }
  for (const Cause cause : {Cause::kSignalled, Cause::kWallTimeLimit, Cause::kMemoryLimit,
                            Cause::kOutputLimit, Cause::kPolicyViolation}) {
    EXPECT_EQ(verdict(cause, 0), job::Verdict::kCheckerError);
  }
}

}  // namespace
}  // namespace executor
