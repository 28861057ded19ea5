#include "sandbox/launcher/ahead.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "linux/message.h"
#include "linux/syscall.h"
#include "sandbox/launcher/preload_image.h"
#include "sandbox/launcher/zygote.h"

namespace sandbox::launcher {
namespace {

using wire::Step;

// Limits are only ever lowered: the job's own are below these.
constexpr wire::RunLimits kWidest = {0, 0, int64_t{1} << 40, 32768, int64_t{1} << 40, 1 << 20};

bool WriteFile(const char* path, const void* data, size_t size, mode_t mode) {
  const base::UniqueFd fd(::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  return fd.valid() && linux::WriteAll(fd.get(), data, size);
}

bool RemountRoot(unsigned long flags) {
  return ::mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | flags,
                 nullptr) == 0;
}

}  // namespace

bool WriteAhead(const Context& context, uint32_t kind) {
  return WriteFile(context.setup.warm_sources[kind].data(), "", 0, 0644) &&
         WriteFile(kPreloadPath, kPreloadImage, kPreloadSize, 0755);
}

pid_t StartAhead(const Context& context, uint32_t kind, int payload, int* link, Step* step) {
  char** argv = nullptr;
  char** envp = nullptr;
  if (!LoadPayload(payload, nullptr, 0, false, &argv, &envp, step)) {
    return -1;
  }
  ::close(payload);
  *step = Step::kWriteFiles;
  if (!WriteAhead(context, kind)) {
    return -1;
  }
  *step = Step::kWarmStart;
  const base::UniqueFd streams(::open("/dev/null", O_RDWR | O_CLOEXEC));
  int ends[2];
  if (!streams.valid() || ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return -1;
  }
  *link = ends[0];
  // Without close-on-exec, since what the program loads goes on with it.
  const base::UniqueFd theirs(ends[1] == kAheadLink ? -1 : ends[1]);
  if (::dup2(ends[1], kAheadLink) != kAheadLink || ::fcntl(kAheadLink, F_SETFD, 0) != 0) {
    return -1;
  }
  ControlRun run{};
  run.type = ControlType::kRun;
  run.policy = wire::Policy::kRun;
  run.limits = kWidest;
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int null = streams.get();
    JobMain({&context, &run, null, null, null, kAheadLink, argv, envp});
  }
  ::close(kAheadLink);
  const char go = 1;
  const wire::Name source = SourcePath(context.setup, kind);
  // These fail when the program has: its report is read next.
  linux::SendMessage(*link, &go, sizeof(go), nullptr, 0);
  linux::SendMessage(*link, source.data(), source.size(), nullptr, 0);
  return pid;
}

bool RemoveAhead(const Context& context, uint32_t kind) {
  return ::unlink(context.setup.warm_sources[kind].data()) == 0 && ::unlink(kPreloadPath) == 0 &&
         RemountRoot(0) && ::unlink(kPreloadListPath) == 0 && RemountRoot(MS_RDONLY);
}

}  // namespace sandbox::launcher
