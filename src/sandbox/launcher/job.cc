// The last steps before foreign code, in the order that ../../../docs/security.md gives. From here
// on only async-signal-safe calls; every failing step is reported and fatal.

#include <grp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "linux/confine.h"
#include "linux/syscall.h"
#include "sandbox/launcher/context.h"

namespace sandbox::launcher {
namespace {

using wire::Step;

[[noreturn]] void Fail(const JobStart& start, Step step) {
  const StepError report{step, errno};
  linux::WriteAll(start.link, &report, sizeof(report));
  ::_exit(127);
}

bool SetLimits(const wire::RunLimits& limits, bool cgroups) {
  const auto bytes = [](int64_t n) { return static_cast<rlim_t>(n); };
  bool ok = linux::LimitTo(RLIMIT_NOFILE, bytes(limits.open_files)) &&
            linux::LimitTo(RLIMIT_FSIZE, bytes(limits.file_bytes)) &&
            linux::LimitTo(RLIMIT_STACK, rlim_t{64} << 20) &&
            linux::LimitTo(RLIMIT_MEMLOCK, rlim_t{8} << 20) && linux::LimitTo(RLIMIT_MSGQUEUE, 0) &&
            linux::LimitTo(RLIMIT_SIGPENDING, 256) && linux::LimitTo(RLIMIT_RTPRIO, 0) &&
            linux::LimitTo(RLIMIT_NICE, 0) &&
            // Not 0: a core handler of the host that is a pipe ignores every limit but the special
            // value 1 (fs/coredump.c).
            linux::LimitTo(RLIMIT_CORE, 1);
  if (ok && limits.cpu_time > 0) {
    // A back-up, per process; the cgroup's accounting is the limit.
    ok = linux::LimitTo(RLIMIT_CPU, static_cast<rlim_t>(limits.cpu_time / 1'000'000'000 + 2));
  }
  if (ok && !cgroups) {
    ok = linux::LimitTo(RLIMIT_DATA, bytes(limits.memory_bytes)) &&
         linux::LimitTo(RLIMIT_NPROC, bytes(limits.processes));
  }
  return ok;
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
  if (::dup2(start.stdin_fd, 0) != 0 || ::dup2(start.stdout_fd, 1) != 1 ||
      ::dup2(start.stderr_fd, 2) != 2) {
    Fail(start, Step::kStdio);
  }
  const auto link = static_cast<unsigned>(start.link);
  if (linux::CloseRange(3, link - 1, 0) != 0 || linux::CloseRange(link + 1, ~0U, 0) != 0) {
    Fail(start, Step::kCloseFds);
  }
  if (!SetLimits(start.run->limits, context.isolation != wire::Isolation::kNoCgroup)) {
    Fail(start, Step::kRlimits);
  }
  if (!linux::DropBoundingSet()) {
    Fail(start, Step::kCapabilities);
  }
  if (context.root &&
      (::setgroups(0, nullptr) != 0 || ::setresgid(kJobUid, kJobUid, kJobUid) != 0 ||
       ::setresuid(kJobUid, kJobUid, kJobUid) != 0)) {
    Fail(start, Step::kUser);
  }
  if (!linux::DropCapabilities()) {
    Fail(start, Step::kCapabilities);
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    Fail(start, Step::kNoNewPrivileges);
  }
  if (context.landlock_abi > 0) {
    const char* read_only[wire::kMaxMounts + 10] = {"/usr",   "/bin",   "/sbin",   "/lib",
                                                    "/lib32", "/lib64", "/libx32", "/etc"};
    size_t n = 8;
    for (uint32_t i = 0; i < context.setup.mount_count; ++i) {
      read_only[n++] = context.setup.mounts[i].target.data();
    }
    static constexpr const char* kWritable[] = {"/box", "/tmp", "/dev/shm", nullptr};
    if (!linux::RestrictWithLandlock(context.landlock_abi, read_only, kWritable)) {
      Fail(start, Step::kLandlock);
    }
  }
  char go = 0;
  if (::read(start.link, &go, sizeof(go)) != sizeof(go)) {
    ::_exit(127);  // pid 1 could not confine itself
  }
  if (!linux::LoadSeccomp(context.Filter(start.run->policy))) {
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
