// The first process of a zygote, up to the exec of the warm program: a user namespace that the
// sandboxes of this program are made in, a view of its own, no network, an id of its own, no
// capability. It may enter those sandboxes because they belong to its id (builder.cc).

#include "sandbox/launcher/zygote.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstring>

#include "linux/confine.h"
#include "linux/message.h"
#include "linux/syscall.h"
#include "sandbox/launcher/ahead.h"
#include "sandbox/launcher/context.h"

namespace sandbox::launcher {
namespace {

using wire::Step;

[[noreturn]] void Fail(int control, Step step) {
  ControlReport report{};
  report.type = ControlType::kFailed;
  report.step = step;
  report.error = errno;
  linux::SendMessage(control, &report, sizeof(report), nullptr, 0);
  ::_exit(1);
}

base::UniqueFd MakeImage(const Context& context, uint32_t kind) {
  static ZygoteImage image;
  const Confinement confinement = context.Confine(wire::Policy::kRun);
  image.version = wire::kVersion;
  image.root = confinement.root ? 1 : 0;
  image.landlock_abi = confinement.landlock_abi;
  image.mount_count = confinement.mount_count;
  image.filter_size = confinement.filter.len;
  image.source = SourcePath(context.setup, kind);
  image.preload = context.setup.warm_preloads[kind];
  image.mounts = context.setup.mounts;
  image.filter = context.filters[static_cast<size_t>(wire::Policy::kRun)];
  base::UniqueFd fd(::memfd_create("image", MFD_CLOEXEC));
  if (fd.valid() && !linux::WriteAll(fd.get(), &image, sizeof(image))) {
    fd.reset();
  }
  return fd;
}

// Streams of the kinds that jobs have, since programs look at them when they start: a file to read
// and two pipes.
bool MakeStreams(int streams[3]) {
  static constexpr char kInput[] = "/tmp/stdin";
  streams[0] = ::open(kInput, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (streams[0] < 0 || ::unlink(kInput) != 0) {
    return false;
  }
  for (int i = 1; i < 3; ++i) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      return false;
    }
    streams[i] = ends[1];
  }
  return true;
}

// Puts the descriptors to where the program expects them.
bool Arrange(const int streams[3], int control, int image) {
  const int wanted[5] = {streams[0], streams[1], streams[2], control, image};
  int high[5];
  for (int i = 0; i < 5; ++i) {
    high[i] = ::fcntl(wanted[i], F_DUPFD_CLOEXEC, 64);
    if (high[i] < 0) {
      return false;
    }
  }
  for (int i = 0; i < 5; ++i) {
    if (::dup2(high[i], i) != i) {
      return false;
    }
  }
  static_assert(kZygoteControl == 3 && kZygoteImage == 4);
  return linux::CloseRange(5, ~0U, 0) == 0;
}

}  // namespace

void ZygoteMain(const Context& context, int control, uint32_t kind, uid_t id) {
  const auto check = [&](bool ok, const Step& step) {  // by reference: `ok` may set it
    if (!ok) {
      Fail(control, step);
    }
  };
  const auto keep = static_cast<unsigned>(control);
  check((keep == 3 || linux::CloseRange(3, keep - 1, 0) == 0) &&
            linux::CloseRange(keep + 1, ~0U, 0) == 0,
        Step::kCloseFds);
  ControlType go{};
  int fds[linux::kMaxMessageFds];
  int fd_count = 0;
  if (linux::ReceiveMessage(control, &go, sizeof(go), fds, &fd_count) != sizeof(go) ||
      go != ControlType::kGo || fd_count != 1) {
    ::_exit(1);
  }
  const int payload = fds[0];
  Step step = Step::kNone;
  check(OpenSources(context, &step), step);
  const base::UniqueFd own(::open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC));
  const base::UniqueFd image = MakeImage(context, kind);
  check(own.valid() && image.valid(), Step::kWarmStart);
  if (context.root) {
    check(::setgroups(0, nullptr) == 0 && ::setresgid(id, id, id) == 0 &&
              ::setresuid(id, id, id) == 0,
          Step::kUser);
  }
  check(::sethostname("sandbox", 7) == 0 && ::setdomainname("", 0) == 0, Step::kHostname);
  check(BuildRoot(context, {context.root ? id : kJobUid, true, true}, &step), step);
  char** argv = nullptr;
  char** envp = nullptr;
  check(LoadPayload(payload, nullptr, 0, false, &argv, &envp, &step), step);
  check(WriteAhead(context, kind), Step::kWriteFiles);
  int streams[3];
  check(MakeStreams(streams), Step::kStdio);
  check(SetFixedLimits(context.isolation != wire::Isolation::kNoCgroup) == Step::kNone,
        Step::kRlimits);
  check(linux::DropBoundingSet() && linux::DropCapabilities(), Step::kCapabilities);
  check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, Step::kNoNewPrivileges);
  ControlReport ready{};
  ready.type = ControlType::kReady;
  const int sent = own.get();
  check(linux::SendMessage(control, &ready, sizeof(ready), &sent, 1), Step::kWarmStart);
  DefaultSignals();
  ::umask(022);
  check(::setsid() >= 0 && Arrange(streams, control, image.get()), Step::kCloseFds);
  ::execve(argv[0], argv, envp);
  Fail(kZygoteControl, Step::kExec);
}

}  // namespace sandbox::launcher
