#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "base/unique_fd.h"

// What a sandbox is asked to do and what it answers. Plain values, shared by the executor (which
// decides) and the backends (which run). Sizes are bytes, durations nanoseconds.
namespace sandbox {

// Which seccomp policy the program gets.
enum class Profile : uint32_t { kRun = 0, kCompile = 1 };

struct Limits {
  base::Nanos wall_time = 0;        // > 0; the sandbox is killed when it has passed
  base::Nanos cpu_time = 0;         // 0: bounded by wall_time only
  int64_t memory_bytes = 0;         // > 0; of all processes, page cache and tmpfs files together
  int64_t processes = 0;            // > 0; processes and threads at once
  int64_t output_bytes = 0;         // > 0; of stdout and of stderr, each
  int64_t file_bytes = 64LL << 20;  // size of the work folder, and of /tmp
  int64_t open_files = 1024;
};

struct TerminalSize {
  uint16_t rows = 24;
  uint16_t cols = 80;
};

// A file of the work folder, written before the program starts. `path` is relative, without "." and
// ".." parts. The content is either `content` or all bytes of `fd` (a memfd, sealed against
// every change; shared, so that a cached binary can be used by many jobs at once).
struct InputFile {
  std::string path;
  bool executable = false;
  std::string content;
  std::shared_ptr<base::UniqueFd> fd;
};

struct Spec {
  Profile profile = Profile::kRun;
  std::string language;  // its id; tells the docker backend which containers fit
  std::vector<std::string>
      argv;  // argv[0] is an absolute path, or relative to the work folder /box
  std::vector<std::pair<std::string, std::string>> env;  // the whole environment
  std::vector<InputFile> files;
  std::string stdin_data;
  bool live_input = false;  // after stdin_data the program reads what LiveInput::Write hands in
  // Its stdin, stdout and stderr are one terminal of this size; all output is stdout's.
  // REQUIRES: live_input, and a profile of kRun.
  std::optional<TerminalSize> terminal;
  Limits limits;
  // Files of the work folder to return after the program has ended: paths and patterns, at most
  // kMaxOutputs, as sandbox/outputs.h has them.
  std::vector<std::string> collect;
  int64_t collect_bytes = 64LL << 20;  // of all collected files together
};

// Why the program ended, as the sandbox knows it. Ordered by precedence: when several are true, the
// first is reported.
enum class Cause {
  kCancelled,
  kInternal,     // the sandbox itself failed; `message` says at which step
  kMemoryLimit,  // the cgroup's out-of-memory counter rose, even if the program then exited 0
  kOutputLimit,
  kWallTimeLimit,
  kCpuTimeLimit,
  kPolicyViolation,  // SIGSYS: a call of a foreign architecture
  kSignalled,
  kExited,
};

struct Usage {
  base::Nanos wall_time = 0;  // from the program's first instruction to its end
  base::Nanos cpu_time = 0;   // of all its processes
  int64_t memory_peak_bytes = 0;
  int64_t processes_peak = 0;
  bool process_limit_hit = false;  // a fork or a thread was refused by limits.processes
};

// What a program that still runs has used so far. Absent: the sandbox cannot tell.
struct LiveUsage {
  base::Nanos wall_time = 0;                 // since the program's first instruction
  std::optional<base::Nanos> cpu_time;       // of all its processes
  std::optional<int64_t> memory_bytes;       // at the moment
  std::optional<int64_t> memory_peak_bytes;  // until now
  std::optional<int64_t> processes;          // at the moment, and threads
};

struct CollectedFile {
  std::string path;
  int64_t size = 0;
  std::shared_ptr<base::UniqueFd>
      fd;             // a sealed memfd with the content; null when it could not be collected
  std::string error;  // why not: "not found", "not a regular file", "too large"
};

struct RunResult {
  Cause cause = Cause::kInternal;
  int exit_code = 0;    // when the main process exited
  int signal = 0;       // when a signal ended it
  std::string message;  // for kInternal: the step and its errno
  std::string stdout_data;
  std::string stderr_data;
  bool stdout_truncated = false;
  bool stderr_truncated = false;
  Usage usage;
  base::Nanos start_time = 0;  // from Start to the program's first instruction
  // A file, or why it could not be had, for each path of Spec::collect, in that order; then the
  // files that its patterns match.
  std::vector<CollectedFile> collected;
  bool more_files = false;  // not all that the patterns match are among them
};

enum class Stream { kStdout, kStderr };

// What reaches programs while they run: those whose Spec asks for live_input. Unknown ids, and
// those of programs that have ended, are ignored. As with Backend, everything is on the loop's
// thread.
class LiveInput {
 public:
  virtual ~LiveInput() = default;

  // In the order of the calls. `done` comes once, not from within the call: when the program's pipe
  // or terminal has taken all of it, or when that will never be.
  virtual void Write(uint64_t run, std::string data, std::function<void()> done) = 0;

  // After what has been written comes the end of the input; a program with a terminal sees no end
  // then, just nothing more.
  virtual void CloseInput(uint64_t run) = 0;

  // The size of the program's terminal from now on, of which it is told by SIGWINCH. Nothing where
  // there is no terminal.
  virtual void Resize(uint64_t /*run*/, TerminalSize /*size*/) {}

  // To the process group of the program, from within its sandbox.
  virtual void Signal(uint64_t run, int signal) = 0;
};

// A way to run programs. Everything happens on the event loop's thread: methods are called there,
// callbacks arrive there, nothing blocks. `native` and `docker` implement it.
class Backend {
 public:
  using RunId = uint64_t;
  using OnOutput = std::function<void(Stream, std::string_view)>;
  using OnDone = std::function<void(RunResult)>;
  using OnUsage = std::function<void(const LiveUsage&)>;

  virtual ~Backend() = default;

  // Starts a program. `on_done` is called exactly once, never from within Start, and after it no
  // process of the program is left. `on_output` may be empty; it sees output as it is produced, up
  // to the limit. Failures of the sandbox arrive as Cause::kInternal.
  virtual RunId Start(Spec spec, OnOutput on_output, OnDone on_done) = 0;

  // Kills a run; its on_done follows with Cause::kCancelled. Unknown ids are ignored.
  virtual void Cancel(RunId id) = 0;

  // From now on `on_usage` hears what the run uses, about twice a second until on_done. One that
  // ends within a quarter of a second is never measured, and costs nothing. Unknown ids are
  // ignored. A backend that cannot measure never calls it.
  virtual void WatchUsage(RunId /*id*/, OnUsage /*on_usage*/) {}

  // Of its runs.
  virtual LiveInput& live_input() = 0;

  // "full", "rootless", "no-cgroup" or "docker".
  virtual std::string_view isolation() const = 0;

  // Sandboxes whose processes have not died though killed, or that could not be removed: none is
  // used again before it has.
  virtual uint32_t quarantined() const { return 0; }

  // Brings those of this process's metrics up to date that nothing else does. `done` is called
  // exactly once, within a second, also from within the call, and also when that failed: then they
  // are as they were.
  virtual void FreshenMetrics(std::function<void()> done) { done(); }
};

}  // namespace sandbox
