// Pid 1 of a sandbox. It builds the view while it still has capabilities in its own user namespace,
// parks, takes one job, forks the program, confines itself, reaps, and reports how the main process
// ended. It dies, and everything with it, when the launcher closes its end of the control socket.

#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "linux/confine.h"
#include "linux/message.h"
#include "linux/syscall.h"
#include "sandbox/launcher/ahead.h"
#include "sandbox/launcher/context.h"
#include "sandbox/launcher/zygote.h"

namespace sandbox::launcher {
namespace {

using wire::Step;

int64_t Now() {
  timespec ts{};
  ::clock_gettime(CLOCK_MONOTONIC, &ts);
  return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

void Report(int control, const ControlReport& report, const int* fds = nullptr, int count = 0) {
  if (!linux::SendMessage(control, &report, sizeof(report), fds, count)) {
    ::_exit(1);
  }
}

[[noreturn]] void Fail(int control, Step step, int error) {
  ControlReport report{};
  report.type = ControlType::kFailed;
  report.step = step;
  report.error = error;
  Report(control, report);
  ::_exit(1);
}

bool LoopbackUp() {
  const base::UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", sizeof(request.ifr_name) - 1);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return socket.valid() && ::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0;
}

// Opens what a zygote's child enters.
bool OpenNamespaces(bool cgroups, int* fds) {
  for (int i = 0; i < NamespaceCount(cgroups); ++i) {
    char path[64];
    std::snprintf(path, sizeof(path), "/proc/self/ns/%s",
                  kJobNamespaces[static_cast<size_t>(i)].name);
    fds[i] = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fds[i] < 0) {
      return false;
    }
  }
  return true;
}

// Waits until the program's process waits for its job; returns its pid. Ends with the launcher.
pid_t AwaitWaiting(int control, int link) {
  pollfd polled[2] = {{link, POLLIN, 0}, {control, 0, 0}};
  while (::poll(polled, 2, -1) < 0 && errno == EINTR) {
  }
  ForkReport report{};
  if (polled[1].revents != 0) {
    ::_exit(1);
  }
  const ssize_t n = ::read(link, &report, sizeof(report));
  if (n >= static_cast<ssize_t>(sizeof(StepError)) && report.step != Step::kNone) {
    Fail(control, report.step, report.error);
  }
  if (n != sizeof(report)) {
    Fail(control, Step::kWarmFork, EPIPE);
  }
  return report.pid;
}

// Forks the process that waits for a run; its pid, and in *link our end of the link to it.
pid_t ForkWaiting(const Context& context, int control, int* link) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    Fail(control, Step::kJobFork, errno);
  }
  const pid_t pid = ::fork();
  if (pid < 0) {
    Fail(control, Step::kJobFork, errno);
  }
  if (pid == 0) {
    WaitingJobMain(context, ends[1]);
  }
  ::close(ends[1]);
  *link = ends[0];
  AwaitWaiting(control, *link);
  return pid;
}

// Everything up to the parked state, but for the process of a warm program. `link` becomes our end
// of the link to the fork of a zygote, or to the process that waits for a run, whose pid is
// returned; `payload` the command of what is to be started here.
pid_t Prepare(const Context& context, int control, Ahead ahead, int* link, int* payload) {
  const auto check = [&](bool ok, const Step& step) {  // by reference: `ok` may set it
    if (!ok) {
      Fail(control, step, errno);
    }
  };
  // The descriptors that the launcher's other sandboxes use must be gone before anything else
  // happens.
  const auto keep = static_cast<unsigned>(control);
  check((keep == 3 || linux::CloseRange(3, keep - 1, 0) == 0) &&
            linux::CloseRange(keep + 1, ~0U, 0) == 0,
        Step::kCloseFds);

  ControlType go{};
  int fds[linux::kMaxMessageFds];
  int fd_count = 0;
  if (linux::ReceiveMessage(control, &go, sizeof(go), fds, &fd_count) != sizeof(go) ||
      go != ControlType::kGo || fd_count != (ahead == Ahead::kStart ? 1 : 0)) {
    ::_exit(1);  // the launcher is gone, or gave up on this sandbox
  }
  *payload = fd_count == 1 ? fds[0] : -1;
  Step step = Step::kNone;
  check(OpenSources(context, &step), step);
  if (context.root) {
    check(::setgroups(0, nullptr) == 0 && ::setresgid(0, 0, 0) == 0 && ::setresuid(0, 0, 0) == 0,
          Step::kBecomeRoot);
  }
  if (context.isolation != wire::Isolation::kNoCgroup) {
    check(::unshare(CLONE_NEWCGROUP) == 0, Step::kCgroupNamespace);
  }
  check(::sethostname("sandbox", 7) == 0 && ::setdomainname("", 0) == 0, Step::kHostname);
  check(LoopbackUp(), Step::kLoopback);
  check(linux::WriteFileAt(AT_FDCWD, "/proc/sys/user/max_user_namespaces", "0", 1),
        Step::kNoNestedNamespaces);
  // The folder, then the mount namespace; or for a zygote the link and all namespaces. These are
  // opened by the machine's /proc: in the sandbox's own, what has been looked up once is no longer
  // as if it did not exist.
  int given[2 + kJobNamespaces.size()] = {};
  int count = 2;
  if (ahead != Ahead::kFork) {
    given[1] = ::open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    check(given[1] >= 0, Step::kBoxFd);
  } else {
    const bool cgroups = context.isolation != wire::Isolation::kNoCgroup;
    int ends[2];
    check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0 &&
              OpenNamespaces(cgroups, given + 2),
          Step::kWarmFork);
    *link = ends[0];
    given[1] = ends[1];
    count = 2 + NamespaceCount(cgroups);
  }
  View view;
  view.preload = ahead == Ahead::kStart;
  check(BuildRoot(context, view, &step), step);
  given[0] = ::open("/box", O_PATH | O_DIRECTORY | O_CLOEXEC);
  check(given[0] >= 0, Step::kBoxFd);
  check(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, Step::kBoxFd);
  check(linux::DropBoundingSet(), Step::kInitConfine);  // now, while nobody waits
  const pid_t waiting = ahead == Ahead::kNothing ? ForkWaiting(context, control, link) : -1;
  ControlReport ready{};
  ready.type = ControlType::kReady;
  ready.at = Now();
  Report(control, ready, given, count);
  for (int i = 0; i < count; ++i) {
    ::close(given[i]);
  }
  return waiting;
}

// From a prepared sandbox to one that is parked with its program's process; returns its pid.
pid_t PrepareProgram(const Context& context, int control, Ahead ahead, uint32_t kind, int payload,
                     int* link) {
  pid_t pid = -1;
  if (ahead == Ahead::kStart) {
    Step step = Step::kNone;
    pid = StartAhead(context, kind, payload, link, &step);
    if (pid < 0) {
      Fail(control, step, errno);
    }
    AwaitWaiting(control, *link);
    if (!RemoveAhead(context, kind)) {
      Fail(control, Step::kWarmStart, errno);
    }
  } else {
    pid = AwaitWaiting(control, *link);
  }
  ControlReport warm{};
  warm.type = ControlType::kWarm;
  warm.at = Now();
  Report(control, warm);
  return pid;
}

// What a process has used so far, in nanoseconds.
int64_t CpuOf(pid_t pid) {
  clockid_t clock = 0;
  timespec used{};
  return ::clock_getcpuclockid(pid, &clock) == 0 && ::clock_gettime(clock, &used) == 0
             ? int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec
             : 0;
}

// Waits for the job, or for the end of the launcher or of the fork, and ends with either.
void AwaitClaim(int control, int link) {
  pollfd polled[2] = {{control, POLLIN, 0}, {link, 0, 0}};
  while (::poll(polled, 2, -1) < 0 && errno == EINTR) {
  }
  if (polled[1].revents != 0) {
    Fail(control, Step::kWarmFork, EPIPE);
  }
}

// For what it does not fit.
void EndWaiting(pid_t pid) {
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

// Whether what is written to a work folder may lie in larger pages, none of them beyond a file's
// end. A program's own files never do: a file with holes would take more of its memory.
enum class Pages { kAsEver, kLarge, kSmall };

bool Resize(const char* path, int64_t bytes, Pages pages) {
  const char* huge = pages == Pages::kLarge   ? ",huge=within_size"
                     : pages == Pages::kSmall ? ",huge=never"
                                              : "";
  char options[64];
  std::snprintf(options, sizeof(options), "size=%lld%s", static_cast<long long>(bytes), huge);
  if (::mount(nullptr, path, nullptr, MS_REMOUNT | MS_NOSUID | MS_NODEV, options) == 0) {
    return true;
  }
  // EINVAL: the kernel has none.
  return pages == Pages::kLarge && errno == EINVAL && Resize(path, bytes, Pages::kAsEver);
}

// Reaps until the main process has ended, and passes signals on. Orphans of the program are reaped
// on the way. `cpu_before`: what that process had used before it was the job's.
void Supervise(int control, pid_t main_process, int64_t cpu_before, int signals) {
  pollfd polled[2] = {{control, POLLIN, 0}, {signals, POLLIN, 0}};
  for (;;) {  // reaps first: what was forked ahead may have ended before its signals were taken
    int status = 0;
    rusage usage{};
    pid_t pid = 0;
    while ((pid = ::wait4(-1, &status, WNOHANG, &usage)) > 0) {
      if (pid == main_process) {
        ControlReport report{};
        report.type = ControlType::kExited;
        report.wait_status = status;
        report.at = Now();
        report.cpu_nanos =
            (int64_t{usage.ru_utime.tv_sec} + usage.ru_stime.tv_sec) * 1'000'000'000 +
            (int64_t{usage.ru_utime.tv_usec} + usage.ru_stime.tv_usec) * 1000 - cpu_before;
        report.cpu_nanos = std::max<int64_t>(0, report.cpu_nanos);
        report.max_rss_bytes = int64_t{usage.ru_maxrss} * 1024;
        Report(control, report);
      }
    }
    if (::poll(polled, 2, -1) < 0 && errno != EINTR) {
      ::_exit(1);
    }
    if (polled[0].revents != 0) {
      ControlSignal order{};
      if (::read(control, &order, sizeof(order)) != sizeof(order) ||
          order.type != ControlType::kSignal) {
        ::_exit(1);  // the launcher says nothing else after kRun: this is its end
      }
      ::kill(-main_process, order.signal);  // it leads a session, and so a group
    }
    signalfd_siginfo info;
    while (::read(signals, &info, sizeof(info)) == sizeof(info)) {
    }
  }
}

}  // namespace

void InitMain(const Context& context, int control, Ahead ahead, uint32_t kind) {
  const bool warm = ahead != Ahead::kNothing;
  int link[2] = {-1, -1};
  int payload = -1;
  pid_t pid = Prepare(context, control, ahead, &link[0], &payload);
  if (warm) {
    pid = PrepareProgram(context, control, ahead, kind, payload, &link[0]);
  }
  AwaitClaim(control, link[0]);

  ControlRun run{};
  int fds[linux::kMaxMessageFds];
  int fd_count = 0;
  if (linux::ReceiveMessage(control, &run, sizeof(run), fds, &fd_count) != sizeof(run) ||
      run.type != ControlType::kRun) {
    ::_exit(0);  // never claimed
  }
  const auto check = [&](bool ok, const Step& step) {
    if (!ok) {
      Fail(control, step, errno);
    }
  };
  char** argv = nullptr;
  char** envp = nullptr;
  Step step = Step::kNone;
  // Large: what a compiler writes, and the program that is copied in before it runs.
  const Pages compiled = run.policy == wire::Policy::kCompile ? Pages::kLarge : Pages::kAsEver;
  const Pages copied = run.file_fds > 0 ? Pages::kLarge : compiled;
  check(Resize("/box", run.limits.file_bytes, copied) &&
            Resize("/tmp", run.limits.file_bytes, compiled),
        Step::kResize);
  const int fixed_fds = wire::FixedRunFds(static_cast<uint32_t>(run.input));
  // Stays open here, so that its master sees its end with that of pid 1 and not before: a program
  // may close all its terminal's descriptors and open it again.
  base::UniqueFd terminal;
  if (run.input == wire::Input::kTerminal) {
    errno = EINVAL;
    check(fd_count >= fixed_fds && !warm, Step::kRequest);
    terminal = MakeTerminal(run, fds[1]);
    check(terminal.valid(), Step::kTerminal);
  }
  if (run.probe == Probe::kNone) {
    errno = EINVAL;
    check(fd_count == fixed_fds + static_cast<int>(run.file_fds), Step::kRequest);
    check(LoadPayload(fds[0], fds + fixed_fds, run.file_fds, context.root, &argv, &envp, &step),
          step);
    check(copied == compiled || Resize("/box", run.limits.file_bytes, Pages::kSmall),
          Step::kResize);
  }

  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  ::pthread_sigmask(SIG_BLOCK, &child, nullptr);
  const int signals = ::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  check(signals >= 0, Step::kJobFork);
  const bool plain_run = run.policy == wire::Policy::kRun && run.probe == Probe::kNone &&
                         run.input != wire::Input::kTerminal;
  int64_t cpu_before = 0;
  if (warm || plain_run) {
    cpu_before = CpuOf(pid);
    const ForkStart start{run.limits, context.isolation != wire::Isolation::kNoCgroup ? 1U : 0U, 0};
    const int sent[] = {fds[1], fds[2], fds[3], fds[0]};
    check(linux::SendMessage(link[0], &start, sizeof(start), sent, warm ? 3 : 4), Step::kWarmFork);
  } else {
    ::close(link[0]);
    EndWaiting(pid);
    check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) == 0, Step::kJobFork);
    pid = ::fork();
    check(pid >= 0, Step::kJobFork);
    if (pid == 0) {
      const int t = terminal.get();
      JobMain(t >= 0 ? JobStart{&context, &run, t, t, t, link[1], argv, envp}
                     : JobStart{&context, &run, fds[1], fds[2], fds[3], link[1], argv, envp});
    }
    ::close(link[1]);
  }
  for (int i = 0; i < fd_count; ++i) {
    ::close(fds[i]);  // the program's streams end with its own processes, not with pid 1
  }
  ::close(0);
  ::close(1);
  ::close(2);
  // What is left to do needs no privilege, and the program must not run before they are gone.
  // But for one: the program has another user, and whoever feeds it may send it signals.
  const bool signals_pass = run.input != wire::Input::kFile;
  check((signals_pass ? linux::DropCapabilitiesBut(CAP_KILL) : linux::DropCapabilities()) &&
            ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
            linux::LoadSeccomp(context.Filter(wire::Policy::kInit)),
        Step::kInitConfine);
  const char go = 1;
  linux::SendMessage(link[0], &go, sizeof(go), nullptr, 0);  // fails when the child has: read why
  StepError failure{};
  ssize_t n = 0;
  do {
    n = ::read(link[0], &failure, sizeof(failure));
    // ECONNRESET: the child failed before it took the message; its report comes next.
  } while (n < 0 && (errno == EINTR || errno == ECONNRESET));
  if (n != 0) {
    Fail(control, n == sizeof(failure) ? failure.step : Step::kExec,
         n == sizeof(failure) ? failure.error : EIO);
  }
  ControlReport started{};
  started.type = ControlType::kStarted;
  started.at = Now();
  Report(control, started);
  Supervise(control, pid, cpu_before, signals);
  ::_exit(0);
}

}  // namespace sandbox::launcher
