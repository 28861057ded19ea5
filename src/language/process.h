#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

// Runs trusted tools of this machine: detection and warm-up, before any job. Never a job's program.
namespace language {

struct Command {
  std::vector<std::string> argv;                         // argv[0] is a path
  std::vector<std::pair<std::string, std::string>> env;  // the whole environment
  std::string folder = "/";                              // where it starts
  base::Nanos deadline = 10 * base::kSecond;             // from the start
  std::function<void(base::Nanos elapsed)> on_progress;  // may be empty; every few seconds
};

struct CommandResult {
  int exit_code = 0;   // 128 + number when a signal ended it
  std::string output;  // the end of stdout and stderr together, bounded
};

// Starts the command in a process group of its own and waits until it has ended. kDeadline: it was
// killed, with its group, at the deadline. Blocking.
base::Result<CommandResult> BlockingRun(const Command& command);

// The PATH that toolchains are looked up in and started with.
inline constexpr const char* kToolPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin";

// The environment of tools: kToolPath, a HOME that holds nothing, and `more`, which wins.
std::vector<std::pair<std::string, std::string>> ToolEnv(
    const std::vector<std::pair<std::string, std::string>>& more);

}  // namespace language
