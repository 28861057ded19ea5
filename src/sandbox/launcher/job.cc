// The last steps before foreign code, in the order that ../../../docs/security.md gives. From here
// on only async-signal-safe calls; every failing step is reported and fatal.

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstring>

#include "linux/confine.h"
#include "linux/message.h"
#include "linux/syscall.h"
#include "sandbox/launcher/confine_job.h"
#include "sandbox/launcher/context.h"
#include "sandbox/launcher/zygote.h"

namespace sandbox::launcher {
namespace {

using wire::Step;

[[noreturn]] void Fail(int link, Step step) {
  const StepError report{step, errno};
  linux::WriteAll(link, &report, sizeof(report));
  ::_exit(127);
}

// Signals as at the start of a program, and a session of its own.
Step BeginSession() {
  DefaultSignals();
  sigset_t none;
  ::sigemptyset(&none);
  if (::pthread_sigmask(SIG_SETMASK, &none, nullptr) != 0 || ::setsid() < 0) {
    return Step::kSession;
  }
  ::umask(022);
  return Step::kNone;
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

[[noreturn]] void Exec(int link, char** argv, char** envp) {
  ::execve(argv[0], argv, envp);
  // A program of the work folder is the job's own: that it cannot be run is no fault of the
  // sandbox.
  if (argv[0][0] != '/' && !ShortOfResources(errno)) {
    const int status = errno == ENOENT ? 127 : 126;  // as a shell has it
    char text[wire::kMaxName + 64];
    const int n = std::snprintf(text, sizeof(text), "cannot run %.*s: %s\n", wire::kMaxName,
                                argv[0], strerrordesc_np(errno));
    linux::WriteAll(STDERR_FILENO, text, static_cast<size_t>(n));
    ::_exit(status);
  }
  Fail(link, Step::kExec);
}

}  // namespace

void JobMain(const JobStart& start) {
  const Context& context = *start.context;
  Step failed = BeginSession();
  failed = failed != Step::kNone
               ? failed
               : TakeStreams(start.stdin_fd, start.stdout_fd, start.stderr_fd, start.link);
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
    Fail(start.link, failed);
  }
  AwaitGo(start.link);
  if (!linux::LoadSeccomp(confinement.filter)) {
    Fail(start.link, Step::kSeccomp);
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
  Exec(start.link, start.argv, start.envp);
}

void WaitingJobMain(const Context& context, int link) {
  Step failed = BeginSession();
  failed = failed != Step::kNone ? failed : TakeStreams(0, 1, 2, link);
  const Confinement confinement = context.Confine(wire::Policy::kRun);
  failed = failed != Step::kNone ? failed : SetFixedLimits(confinement.cgroups);
  failed = failed != Step::kNone ? failed : DropRights(confinement);
  if (failed == Step::kNone && !linux::LoadSeccomp(confinement.filter)) {
    failed = Step::kSeccomp;
  }
  if (failed != Step::kNone) {
    Fail(link, failed);
  }
  int fds[linux::kMaxMessageFds];
  const ForkStart start = AwaitStart(link, fds, 4);
  char** argv = nullptr;
  char** envp = nullptr;
  if (!LoadCommand(fds[3], &argv, &envp)) {
    Fail(link, Step::kPayload);
  }
  failed = TakeStreams(fds[0], fds[1], fds[2], link);
  failed = failed != Step::kNone ? failed : SetLimits(start.limits, confinement.cgroups);
  if (failed != Step::kNone) {
    Fail(link, failed);
  }
  AwaitGo(link);
  Exec(link, argv, envp);
}

}  // namespace sandbox::launcher
