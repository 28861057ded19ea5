// The last steps before foreign code, in the order that ../../../docs/security.md gives. From here
// on only async-signal-safe calls; every failing step is reported and fatal.

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstring>

#include "linux/confine.h"
#include "linux/syscall.h"
#include "sandbox/launcher/confine_job.h"
#include "sandbox/launcher/context.h"

namespace sandbox::launcher {
namespace {

using wire::Step;

[[noreturn]] void Fail(const JobStart& start, Step step) {
  const StepError report{step, errno};
  linux::WriteAll(start.link, &report, sizeof(report));
  ::_exit(127);
}

bool ShortOfResources(int error) {
  return error == ENOMEM || error == EAGAIN || error == EMFILE || error == ENFILE || error == EIO;
}

// Touches memory until the limit kills it; exits 0 when nothing does.
[[noreturn]] void ProbeMemory(int64_t limit) {
  constexpr size_t kStep = 1 << 20;
  for (int64_t used = 0; used < 4 * limit; used += kStep) {
    void* block = ::mmap(nullptr, kStep, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (block == MAP_FAILED) {
      ::_exit(3);
    }
    static_cast<volatile char*>(block)[0] = 1;
  }
  ::_exit(0);
}

// Forks sleeping children until one is refused; exits 1 then, 0 when nothing refuses.
[[noreturn]] void ProbeTasks(int64_t limit) {
  for (int64_t i = 0; i < 4 * limit; ++i) {
    const pid_t pid = ::fork();
    if (pid < 0) {
      ::_exit(errno == EAGAIN ? 1 : 3);
    }
    if (pid == 0) {
      ::pause();
      ::_exit(0);
    }
  }
  ::_exit(0);
}

}  // namespace

void JobMain(const JobStart& start) {
  const Context& context = *start.context;
  sigset_t none;
  ::sigemptyset(&none);
  for (int signal = 1; signal < NSIG; ++signal) {
    if (signal != SIGKILL && signal != SIGSTOP) {
      ::signal(signal, SIG_DFL);  // the two that glibc keeps for itself refuse, and stay default
    }
  }
  if (::pthread_sigmask(SIG_SETMASK, &none, nullptr) != 0 || ::setsid() < 0) {
    Fail(start, Step::kSession);
  }
  ::umask(022);
  Step failed = TakeStreams(start.stdin_fd, start.stdout_fd, start.stderr_fd, start.link);
  const bool terminal = start.run->input == wire::Input::kTerminal;
  if (failed == Step::kNone && terminal && ::ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0) {
    failed = Step::kTerminal;
  }
  Confinement confinement = context.Confine(start.run->policy);
  confinement.terminal = terminal;
  failed = failed != Step::kNone ? failed : SetFixedLimits(confinement.cgroups);
  failed = failed != Step::kNone ? failed : SetLimits(start.run->limits, confinement.cgroups);
  failed = failed != Step::kNone ? failed : DropRights(confinement);
  if (failed != Step::kNone) {
    Fail(start, failed);
  }
  char go = 0;
  if (::read(start.link, &go, sizeof(go)) != sizeof(go)) {
    ::_exit(127);  // pid 1 could not confine itself
  }
  if (!linux::LoadSeccomp(confinement.filter)) {
    Fail(start, Step::kSeccomp);
  }
  if (start.run->probe != Probe::kNone) {
    ::close(start.link);  // as exec would
  }
  if (start.run->probe == Probe::kMemory) {
    ProbeMemory(start.run->limits.memory_bytes);
  }
  if (start.run->probe == Probe::kTasks) {
    ProbeTasks(start.run->limits.processes);
  }
  ::execve(start.argv[0], start.argv, start.envp);
  // A program of the work folder is the job's own: that it cannot be run is no fault of the
  // sandbox.
  if (start.argv[0][0] != '/' && !ShortOfResources(errno)) {
    const int status = errno == ENOENT ? 127 : 126;  // as a shell has it
    char text[wire::kMaxName + 64];
    const int n = std::snprintf(text, sizeof(text), "cannot run %.*s: %s\n", wire::kMaxName,
                                start.argv[0], strerrordesc_np(errno));
    linux::WriteAll(STDERR_FILENO, text, static_cast<size_t>(n));
    ::_exit(status);
  }
  Fail(start, Step::kExec);
}

}  // namespace sandbox::launcher
