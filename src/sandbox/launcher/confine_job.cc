#include "sandbox/launcher/confine_job.h"

#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "linux/confine.h"
#include "linux/message.h"
#include "linux/syscall.h"
#include "sandbox/launcher/zygote.h"

namespace sandbox::launcher {

using wire::Step;

void DefaultSignals() {
  for (int signal = 1; signal < NSIG; ++signal) {
    if (signal != SIGKILL && signal != SIGSTOP) {
      ::signal(signal, SIG_DFL);
    }
  }
}

ForkStart AwaitStart(int link, int* fds, int wanted) {
  const ForkReport ready{Step::kNone, 0, ::getpid()};
  ForkStart start{};
  int fd_count = 0;
  if (!linux::SendMessage(link, &ready, sizeof(ready), nullptr, 0) ||
      linux::ReceiveMessage(link, &start, sizeof(start), fds, &fd_count) != sizeof(start) ||
      fd_count != wanted) {
    ::_exit(0);
  }
  return start;
}

void AwaitGo(int link) {
  char go = 0;
  if (::read(link, &go, sizeof(go)) != sizeof(go)) {
    ::_exit(127);
  }
}

Step TakeStreams(int in, int out, int err, int link) {
  if (::dup2(in, 0) != 0 || ::dup2(out, 1) != 1 || ::dup2(err, 2) != 2) {
    return Step::kStdio;
  }
  const auto keep = static_cast<unsigned>(link);
  if ((keep > 3 && linux::CloseRange(3, keep - 1, 0) != 0) ||
      linux::CloseRange(keep + 1, ~0U, 0) != 0) {
    return Step::kCloseFds;
  }
  return Step::kNone;
}

Step SetFixedLimits(bool cgroups) {
  // It is also what the C library gives to each thread, and without a control group all of that
  // counts as used memory (RLIMIT_DATA): Node.js alone starts with five.
  const rlim_t stack = (cgroups ? rlim_t{64} : rlim_t{8}) << 20;
  const bool ok = linux::LimitTo(RLIMIT_STACK, stack) &&
                  linux::LimitTo(RLIMIT_MEMLOCK, rlim_t{8} << 20) &&
                  linux::LimitTo(RLIMIT_MSGQUEUE, 0) && linux::LimitTo(RLIMIT_SIGPENDING, 256) &&
                  linux::LimitTo(RLIMIT_RTPRIO, 0) && linux::LimitTo(RLIMIT_NICE, 0) &&
                  // Not 0: a core handler of the host that is a pipe ignores every limit but the
                  // special value 1 (fs/coredump.c).
                  linux::LimitTo(RLIMIT_CORE, 1);
  return ok ? Step::kNone : Step::kRlimits;
}

Step SetLimits(const wire::RunLimits& limits, bool cgroups) {
  const auto bytes = [](int64_t n) { return static_cast<rlim_t>(n); };
  bool ok = linux::LimitTo(RLIMIT_NOFILE, bytes(limits.open_files)) &&
            linux::LimitTo(RLIMIT_FSIZE, bytes(limits.file_bytes));
  if (ok && limits.cpu_time > 0) {
    // A back-up, per process; the cgroup's accounting is the limit.
    ok = linux::LimitTo(RLIMIT_CPU, static_cast<rlim_t>(limits.cpu_time / 1'000'000'000 + 2));
  }
  if (ok && !cgroups) {
    ok = linux::LimitTo(RLIMIT_DATA, bytes(limits.memory_bytes)) &&
         linux::LimitTo(RLIMIT_NPROC, bytes(limits.processes));
  }
  return ok ? Step::kNone : Step::kRlimits;
}

Step DropRights(const Confinement& confinement) {
  if (!linux::DropBoundingSet()) {
    return Step::kCapabilities;
  }
  if (confinement.root &&
      (::setgroups(0, nullptr) != 0 || ::setresgid(kJobUid, kJobUid, kJobUid) != 0 ||
       ::setresuid(kJobUid, kJobUid, kJobUid) != 0)) {
    return Step::kUser;
  }
  if (!linux::DropCapabilities()) {
    return Step::kCapabilities;
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return Step::kNoNewPrivileges;
  }
  if (confinement.landlock_abi > 0) {
    const char* read_only[wire::kMaxMounts + 10] = {"/usr",   "/bin",   "/sbin",   "/lib",
                                                    "/lib32", "/lib64", "/libx32", "/etc"};
    size_t n = 8;
    for (uint32_t i = 0; i < confinement.mount_count; ++i) {
      read_only[n++] = confinement.mounts[i].target.data();
    }
    static constexpr const char* kWritable[] = {"/box", "/tmp", "/dev/shm", nullptr};
    const char* const devices[] = {confinement.terminal ? "/dev/pts" : nullptr, nullptr};
    if (!linux::RestrictWithLandlock(confinement.landlock_abi, read_only, kWritable, devices)) {
      return Step::kLandlock;
    }
  }
  return Step::kNone;
}

}  // namespace sandbox::launcher
