// Loaded into a program that is started ahead for one job (../launcher/ahead.h), where it makes the
// opening of the job's source the point at which the program waits; its other threads go on. With
// the job come its streams and limits. Then the link is closed, and the program opens the source,
// which is there by now.
//
// Standard C library and system calls only.

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <ctime>

#include "linux/message.h"
#include "sandbox/launcher/confine_job.h"
#include "sandbox/launcher/context.h"
#include "sandbox/launcher/zygote.h"
#include "sandbox/warm/node.h"

namespace {

using namespace sandbox::launcher;  // NOLINT(google-build-using-namespace): its other half
using sandbox::wire::Step;

std::atomic<bool> g_started_ahead{false};  // true only in such a program, until it waits
sandbox::wire::Name g_source;              // which pid 1 has sent

[[noreturn]] void Fail(Step step) {
  const StepError report{step, errno};
  linux::SendMessage(kAheadLink, &report, sizeof(report), nullptr, 0);
  ::_exit(127);
}

int64_t Now() {
  timespec ts{};
  ::clock_gettime(CLOCK_MONOTONIC, &ts);
  return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

void AwaitJob() {
  sandbox::warm::PrepareNode();
  const int64_t since = Now();
  int fds[linux::kMaxMessageFds];
  const ForkStart start = AwaitStart(kAheadLink, fds, 3);
  for (int i = 0; i < 3; ++i) {
    if (::dup2(fds[i], i) != i) {
      Fail(Step::kStdio);
    }
    ::close(fds[i]);
  }
  const Step failed = SetLimits(start.limits, start.cgroups != 0);
  if (failed != Step::kNone) {
    Fail(failed);
  }
  AwaitGo(kAheadLink);
  sandbox::warm::ForgetWait(Now() - since);
  ::close(kAheadLink);  // as exec would: the program runs
}

int OpenFile(const char* path, int flags, mode_t mode) {
  if (g_started_ahead.load(std::memory_order_relaxed) && IsSource(g_source, path) &&
      g_started_ahead.exchange(false)) {
    AwaitJob();
  }
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

__attribute__((constructor)) void Load() {
  int type = 0;
  socklen_t size = sizeof(type);
  g_started_ahead =
      ::getsockopt(kAheadLink, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET &&
      ::fcntl(kAheadLink, F_SETFD, FD_CLOEXEC) == 0 &&
      ::read(kAheadLink, g_source.data(), g_source.size()) == static_cast<ssize_t>(g_source.size());
}

}  // namespace

// Both are variadic in <fcntl.h>; a mode that nobody has passed is one that the kernel does not
// look at.
extern "C" __attribute__((visibility("default"))) int Open(const char* path, int flags,
                                                           mode_t mode) __asm__("open");
extern "C" __attribute__((visibility("default"))) int Open64(const char* path, int flags,
                                                             mode_t mode) __asm__("open64");

int Open(const char* path, int flags, mode_t mode) {
  return OpenFile(path, flags, mode);
}

int Open64(const char* path, int flags, mode_t mode) {
  return OpenFile(path, flags, mode);
}
