#include "executor/verdict.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "base/text.h"
#include "base/time.h"

namespace executor {
namespace {

using sandbox::Cause;

// Exit codes of checker programs, testlib's; 0 is right, all others are failures of the checker.
constexpr int kWrongAnswer = 1;
constexpr int kPresentationError = 2;
constexpr int kDirt = 4;  // there is more than the answer
constexpr int kUnexpectedEnd = 8;

constexpr size_t kCheckerOutput = size_t{4} << 10;  // bytes that are kept

std::string FormatBytes(int64_t bytes) {
  constexpr std::array<std::pair<int, const char*>, 3> kUnits = {
      {{30, "GiB"}, {20, "MiB"}, {10, "KiB"}}};
  for (const auto& [shift, unit] : kUnits) {
    if (bytes > 0 && bytes % (int64_t{1} << shift) == 0) {
      return std::to_string(bytes >> shift) + unit;
    }
  }
  return std::to_string(bytes) + " bytes";
}

std::string FormatSignal(int signal) {
  const char* name = ::sigabbrev_np(signal);
  std::string text = "signal " + std::to_string(signal);
  return name == nullptr ? text : text + " (SIG" + name + ")";
}

job::Usage ToUsage(const sandbox::Usage& usage) {
  return {usage.wall_time, usage.cpu_time, usage.memory_peak_bytes, usage.processes_peak};
}

bool Failed(const sandbox::RunResult& run) {
  return run.cause == Cause::kSignalled || (run.cause == Cause::kExited && run.exit_code != 0);
}

job::Verdict ToVerdict(const sandbox::RunResult& run) {
  // A refused fork or thread is the verdict only when the program did not cope with it.
  if (Failed(run) && run.usage.process_limit_hit) {
    return job::Verdict::kProcessLimit;
  }
  switch (run.cause) {
    case Cause::kMemoryLimit:
      return job::Verdict::kMemoryLimit;
    case Cause::kOutputLimit:
      return job::Verdict::kOutputLimit;
    case Cause::kWallTimeLimit:
      return job::Verdict::kTimeLimit;
    case Cause::kCpuTimeLimit:
      return job::Verdict::kCpuTimeLimit;
    case Cause::kPolicyViolation:
      return job::Verdict::kPolicyViolation;
    case Cause::kSignalled:
      return job::Verdict::kSignalled;
    case Cause::kExited:
      return run.exit_code == 0 ? job::Verdict::kOk : job::Verdict::kNonzeroExit;
    case Cause::kCancelled:
    case Cause::kInternal:
      break;
  }
  return job::Verdict::kInternalError;
}

// `who` is the subject: "The program" or "The compiler".
std::string Sentence(const std::string& who, job::Verdict verdict, const sandbox::RunResult& run,
                     const sandbox::Limits& limits) {
  switch (verdict) {
    case job::Verdict::kOk:
      return who + " ended successfully.";
    case job::Verdict::kNonzeroExit:
      return who + " exited with code " + std::to_string(run.exit_code) + ".";
    case job::Verdict::kSignalled:
      return who + " was ended by " + FormatSignal(run.signal) + ".";
    case job::Verdict::kTimeLimit:
      return who + " exceeded its time limit of " + base::FormatDuration(limits.wall_time) + ".";
    case job::Verdict::kCpuTimeLimit:
      return who + " exceeded its CPU time limit of " + base::FormatDuration(limits.cpu_time) + ".";
    case job::Verdict::kMemoryLimit:
      return who + " exceeded its memory limit of " + FormatBytes(limits.memory_bytes) + ".";
    case job::Verdict::kOutputLimit:
      return who + " exceeded its output limit of " + FormatBytes(limits.output_bytes) +
             " a stream.";
    case job::Verdict::kProcessLimit:
      return who + " exceeded its limit of " + std::to_string(limits.processes) +
             " processes and threads.";
    case job::Verdict::kPolicyViolation:
      return who + " made a system call that the sandbox does not allow.";
    case job::Verdict::kCompileError:
    case job::Verdict::kIdlenessLimit:
    case job::Verdict::kWrongAnswer:
    case job::Verdict::kPresentationError:
    case job::Verdict::kCheckerError:
    case job::Verdict::kInternalError:
    case job::Verdict::kSkipped:
      break;
  }
  return "The sandbox failed.";
}

// What a checker or interactor says of a test; `who` it is.
void TakeExitCode(const std::string& who, const sandbox::RunResult& check,
                  const sandbox::Limits& limits, job::TestResult* test) {
  const job::Verdict verdict = ToVerdict(check);
  const int code = verdict == job::Verdict::kNonzeroExit ? check.exit_code : 0;
  if (code == kWrongAnswer) {
    test->verdict = job::Verdict::kWrongAnswer;
    test->message = who + " says that the answer is wrong.";
  } else if (code == kPresentationError || code == kDirt || code == kUnexpectedEnd) {
    test->verdict = job::Verdict::kPresentationError;
    test->message = who + " says that the answer is not in the right form.";
  } else if (verdict != job::Verdict::kOk) {
    test->verdict = job::Verdict::kCheckerError;
    test->message = Sentence(who, verdict, check, limits);
  }
}

template <typename Result>
Result FromRun(sandbox::RunResult run, const sandbox::Limits& limits) {
  Result result;
  result.verdict = ToVerdict(run);
  result.message = Sentence("The program", result.verdict, run, limits);
  if (run.cause == Cause::kExited) {
    result.exit_code = run.exit_code;
  } else if (run.cause == Cause::kSignalled || run.cause == Cause::kPolicyViolation) {
    result.signal = run.signal;
  }
  result.stdout_data = std::move(run.stdout_data);
  result.stderr_data = std::move(run.stderr_data);
  result.stdout_truncated = run.stdout_truncated;
  result.stderr_truncated = run.stderr_truncated;
  result.usage = ToUsage(run.usage);
  return result;
}

}  // namespace

job::Result RunVerdict(sandbox::RunResult run, const sandbox::Limits& limits) {
  return FromRun<job::Result>(std::move(run), limits);
}

std::vector<job::OutputFile> OutputFiles(const sandbox::RunResult& run) {
  std::vector<job::OutputFile> files;
  for (const sandbox::CollectedFile& collected : run.collected) {
    job::OutputFile& file = files.emplace_back();
    file.path = collected.path;
    file.error = collected.error;
    if (!file.error.empty()) {
      continue;
    }
    file.content.resize(static_cast<size_t>(collected.size));
    size_t done = 0;
    while (collected.fd != nullptr && done < file.content.size()) {
      const ssize_t n = ::pread(collected.fd->get(), file.content.data() + done,
                                file.content.size() - done, static_cast<off_t>(done));
      if (n <= 0) {
        break;
      }
      done += static_cast<size_t>(n);
    }
    if (collected.fd == nullptr || done < file.content.size()) {
      file.content.clear();
      file.error = "could not be read";
    }
  }
  std::sort(files.begin(), files.end(),
            [](const job::OutputFile& a, const job::OutputFile& b) { return a.path < b.path; });
  return files;
}

job::TestResult TestVerdict(sandbox::RunResult run, const sandbox::Limits& limits) {
  return FromRun<job::TestResult>(std::move(run), limits);
}

void TakeCheck(sandbox::RunResult check, const sandbox::Limits& limits, job::TestResult* test) {
  TakeExitCode("The checker", check, limits, test);
  // testlib's checkers write their comment to stderr, others may use stdout.
  const std::string& output = check.stderr_data.empty() ? check.stdout_data : check.stderr_data;
  test->checker_output = std::string(base::TruncateUtf8(output, kCheckerOutput));
}

job::TestResult InteractionVerdict(InteractionResult result, const InteractionLimits& limits) {
  using Decider = InteractionResult::Decider;
  sandbox::RunResult& interactor = result.interactor;
  const sandbox::Usage used = result.program.usage;
  const Cause cause = result.program.cause;
  job::TestResult test = TestVerdict(std::move(result.program), limits.program);
  test.checker_output = std::string(base::TruncateUtf8(interactor.stderr_data, kCheckerOutput));
  test.stdin_data = std::move(interactor.stdout_data);
  test.stdin_truncated = interactor.stdout_truncated;
  if (result.decider == Decider::kInteractor) {
    test.verdict = job::Verdict::kOk;
    test.message = "The interactor says that the answer is right.";
    TakeExitCode("The interactor", interactor, limits.interactor, &test);
    return test;
  }
  // Whoever has computed for less than this has waited; more is not sure on a busy machine.
  const base::Nanos little = limits.program.wall_time / 4;
  const bool waited = cause == Cause::kWallTimeLimit && used.cpu_time < little;
  if (waited && interactor.usage.cpu_time >= little) {
    test.verdict = job::Verdict::kCheckerError;
    test.message = "The interactor let the program wait too long.";
  } else if (result.decider == Decider::kSilence ||
             (waited && result.silence > limits.program.wall_time / 2)) {
    test.verdict = job::Verdict::kIdlenessLimit;
    test.message = "The program and the interactor waited for each other for " +
                   base::FormatDuration(result.silence / base::kMillisecond * base::kMillisecond) +
                   ".";
  }
  return test;
}

job::CompileResult CompileOutput(const sandbox::RunResult& run) {
  job::CompileResult compile;
  compile.stdout_data = run.stdout_data;
  compile.stderr_data = run.stderr_data;
  compile.stdout_truncated = run.stdout_truncated;
  compile.stderr_truncated = run.stderr_truncated;
  if (run.cause == Cause::kExited) {
    compile.exit_code = run.exit_code;
  }
  compile.usage = ToUsage(run.usage);
  return compile;
}

std::optional<std::string> CompileFailure(const sandbox::RunResult& run,
                                          const sandbox::Limits& limits) {
  const job::Verdict verdict = ToVerdict(run);
  if (verdict == job::Verdict::kNonzeroExit) {
    return "The program did not compile.";
  }
  if (verdict != job::Verdict::kOk) {
    return Sentence("The compiler", verdict, run, limits);
  }
  if (run.collected.empty()) {
    return "The compiler produced no program.";
  }
  const sandbox::CollectedFile& output = run.collected.front();
  if (output.fd == nullptr || !output.fd->valid()) {
    return "The compiled program could not be read: " + output.error + ".";
  }
  return std::nullopt;
}

}  // namespace executor
