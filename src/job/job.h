#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "sandbox/spec.h"

// A job: what was submitted, where it stands, what came out. Plain values. Wall times are
// nanoseconds since the epoch, 0 when not yet reached.
namespace job {

enum class Status { kQueued, kRunning, kCompleted, kFailed, kCancelled };

// True for the states that never change again.
inline bool IsFinal(Status s) {
  return s == Status::kCompleted || s == Status::kFailed || s == Status::kCancelled;
}

std::string_view ToString(Status status);  // "queued", ...
std::optional<Status> ParseStatus(std::string_view text);

enum class Verdict {
  kOk,
  kCompileError,
  kWrongAnswer,        // of a test
  kPresentationError,  // of a test: its checker program says so
  kCheckerError,       // of a test: its checker or interactor failed, whatever the answer is
  kNonzeroExit,
  kSignalled,
  kTimeLimit,  // wall clock
  kCpuTimeLimit,
  kIdlenessLimit,  // of a test: it and its interactor waited for each other
  kMemoryLimit,
  kOutputLimit,
  kProcessLimit,
  kPolicyViolation,
  kInternalError,
  kSkipped,  // of a test: it was not run
};

std::string_view ToString(Verdict verdict);  // "ok", "compile_error", ...
std::optional<Verdict> ParseVerdict(std::string_view text);

// The same as other judges have it: "AC", "WA", ... and "OK", "WRONG_ANSWER", ...
std::string_view ToDmoj(Verdict verdict);
std::string_view ToCodeforces(Verdict verdict);

// A file of the work folder. `path` is relative, as job/paths.h has it; `content` any bytes.
struct SourceFile {
  std::string path;
  std::string content;
};

// Of the run step, as the client asks for them; 0: the service's default.
struct Limits {
  base::Nanos cpu_time = 0;
  int64_t memory_bytes = 0;
  int64_t processes = 0;
  int64_t output_bytes = 0;  // of stdout and of stderr, each
  int64_t file_bytes = 0;    // what the program may write, beside the files that it is given
  int64_t open_files = 0;
};

// How a test's output is compared with what was expected; executor/checker.h says.
// kProgram: by the submission's own program.
enum class Checker { kLines, kExact, kTokens, kFloats, kUnorderedLines, kProgram };

constexpr double kDefaultTolerance = 1e-6;

struct TestCase {
  std::string name;
  std::optional<std::string> stdin_data;         // nullopt: the submission's
  std::optional<std::vector<std::string>> args;  // nullopt: the submission's
  std::optional<std::string> expected_output;    // nullopt: any
  Checker checker = Checker::kLines;
  double tolerance = kDefaultTolerance;
  int64_t points = 1;
  std::string group;  // its points count only when all of the group pass
};

// Where the client wants to be told of the job's end.
struct Webhook {
  std::string url;     // empty: nowhere
  std::string secret;  // signs what is told
};

struct TerminalSize {
  int rows = 24;
  int cols = 80;
};

constexpr int kMaxTerminalSide = 1000;

struct Submission {
  std::string language;    // canonical id once accepted
  std::string entrypoint;  // path of the file that is compiled or run; empty: the language's name
  std::string code;        // its content, once accepted
  std::vector<SourceFile> files;  // the others, once accepted
  std::string stdin_data;
  std::vector<std::string> args;                         // of the program
  std::vector<std::pair<std::string, std::string>> env;  // of the program, beside the language's
  std::vector<std::string> compiler_args;
  base::Nanos timeout = 0;  // of the run step; 0: the service's default
  Limits limits;
  std::vector<TestCase> tests;  // the program is run once for each instead
  bool stop_on_failure = false;
  // The program of Checker::kProgram: language, entrypoint, code, files and compiler_args of it.
  // Null: there is none.
  std::shared_ptr<const Submission> checker;
  // It is an interactor: it talks with the program while both run, on all tests.
  bool interacts = false;
  base::Nanos idle_timeout = 0;      // how long both may be idle then; 0: the default
  std::vector<std::string> outputs;  // paths and patterns of files to return
  int priority = 0;                  // higher runs first among the jobs of the same tenant
  Webhook webhook;
  // Of the request with an Idempotency-Key that made it: SHA-256 of its body; else empty.
  std::string request_hash;
  // A client feeds the program while it runs (job/session.h); with that client's connection the job
  // is over. `stdin_data` is what the program reads first.
  bool interactive = false;
  // Of an interactive one: stdin, stdout and stderr of the program are a terminal, and all that it
  // writes is stdout.
  std::optional<TerminalSize> terminal;
};

constexpr int kMinPriority = -10;
constexpr int kMaxPriority = 10;

struct Usage {
  base::Nanos wall_time = 0;
  base::Nanos cpu_time = 0;
  int64_t memory_peak_bytes = 0;
  int64_t processes_peak = 0;
};

struct CompileResult {
  std::string stdout_data;
  std::string stderr_data;
  bool stdout_truncated = false;
  bool stderr_truncated = false;
  std::optional<int> exit_code;
  Usage usage;
  bool cached = false;
};

// Where an answer first differs from what was expected: excerpts, perhaps not valid UTF-8.
struct Difference {
  int64_t line = 0;
  std::string expected;
  std::string actual;
};

struct TestResult {
  Verdict verdict = Verdict::kInternalError;
  std::string name;
  std::string group;
  int64_t points = 0;
  std::string stdout_data;  // shortened
  std::string stderr_data;
  bool stdout_truncated = false;
  bool stderr_truncated = false;
  std::optional<int> exit_code;
  std::optional<int> signal;
  std::string message;
  std::optional<Difference> difference;       // of a wrong answer
  std::optional<std::string> checker_output;  // of a checker or interactor, shortened
  std::optional<std::string> stdin_data;      // what an interactor said to the program, shortened
  bool stdin_truncated = false;
  Usage usage;
  base::Nanos start_time = 0;
};

// A file that a program has left; `error` says why it could not be had.
struct OutputFile {
  std::string path;
  std::string content;
  std::string error;
};

struct Result {
  Verdict verdict = Verdict::kInternalError;
  std::string stdout_data;  // raw bytes; JSON encodes them
  std::string stderr_data;
  bool stdout_truncated = false;
  bool stderr_truncated = false;
  std::optional<int> exit_code;  // absent when a signal or a limit ended the program
  std::optional<int> signal;
  std::string message;  // one plain sentence
  std::optional<CompileResult> compile;
  std::optional<CompileResult> checker_compile;  // of the checker or interactor
  Usage usage;
  base::Nanos queue_time = 0;     // from created_at to the claim
  base::Nanos start_time = 0;     // from the claim of the run step to its first instruction
  std::vector<TestResult> tests;  // in the order of the submission's; then usage is their largest
  int64_t points = 0;
  int64_t max_points = 0;
  std::vector<OutputFile> files;  // in the order of their paths
  bool files_truncated = false;   // not all that the patterns match are among them
};

struct Job {
  std::string id;
  // Whom the queue's turns are charged to: told by the HTTP layer, never by the request's body.
  // Internal: no public form has it.
  std::string tenant;
  // Of the tenant, when the job was submitted; 0: no bound. Internal.
  int64_t max_queued = 0;
  int64_t max_running = 0;
  Submission submission;
  Status status = Status::kQueued;
  base::Nanos created_at = 0;
  base::Nanos started_at = 0;
  base::Nanos finished_at = 0;
  int attempts = 0;
  uint64_t run = 0;              // the token of its latest lease; 0: it never had one. Internal.
  std::optional<Result> result;  // exactly when status is kCompleted
  // Of its program; at most when status is kRunning, and as Store::Get answers it.
  std::optional<sandbox::LiveUsage> usage;
  std::string error;  // exactly when status is kFailed: why the service could not run it
};

}  // namespace job
