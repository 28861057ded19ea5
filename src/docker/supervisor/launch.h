#pragma once

#include <string>
#include <vector>

#include "docker/supervisor/folder.h"
#include "docker/supervisor/input.h"
#include "sandbox/wire.h"

// The last steps before foreign code, in a forked child.
namespace docker::supervisor {

// What the child needs, made before the fork.
struct Launch {
  const Job* job = nullptr;
  const Identity* identity = nullptr;
  bool trusted = false;  // a warm-up
  std::string folder;    // where it starts
  std::vector<char*> argv;
  std::vector<char*> envp;
  std::vector<std::string> strings;    // behind argv and envp
  std::vector<std::string> read_only;  // for Landlock
  std::vector<std::string> writable;
  int64_t tasks_at_start = 0;  // of a user whom jobs share
  int landlock_abi = 0;
  // The program's streams. A terminal is all of them, and becomes its controlling one.
  bool terminal = false;
  std::vector<std::string> devices;  // for Landlock
  int stdin_fd = -1;
  int stdout_fd = -1;
  int stderr_fd = -1;
  int error_fd = -1;  // closed by exec; else a StepError comes out
};

struct StepError {
  sandbox::wire::Step step;
  int error;
};

// Fills argv, envp and the Landlock lists. `box` and `tmp` are the job's folders; where the
// environment names /box and /tmp, which are those of native sandboxes, it gets these.
void PrepareLaunch(const std::string& box, const std::string& tmp, Launch* launch);

// Confines the calling process and executes the program. Does not return.
[[noreturn]] void LaunchProgram(const Launch& launch);

}  // namespace docker::supervisor
