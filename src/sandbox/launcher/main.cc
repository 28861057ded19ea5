// sandbox-launcher: the only program of the project that touches namespaces, mounts and cgroups.
//
// Theory of operation. sandboxd starts it once, with an empty environment and one SOCK_SEQPACKET
// socket as descriptor 3, before it opens anything to the network. The launcher is single-threaded:
// one epoll loop over that socket and its sandboxes. For each sandbox it forks a builder, which
// makes the cgroup and clones pid 1 (init.cc) in namespaces of its own; pid 1 builds its view,
// confines itself as far as it can and parks. A request claims a parked sandbox: limits are
// written, pid 1 forks the program (job.cc), and the launcher waits for the first of exit, limit or
// cancel, kills everything, proves it dead, collects output files by descriptor and answers.
// Nothing is ever reused. When sandboxd goes away, the socket ends, and the launcher kills and
// removes all that it made. Messages are in sandbox/wire.h.

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "linux/confine.h"
#include "linux/message.h"
#include "linux/syscall.h"
#include "sandbox/launcher/check.h"
#include "sandbox/launcher/context.h"
#include "sandbox/launcher/pool.h"
#include "sandbox/launcher/sandbox.h"

namespace sandbox::launcher {
namespace {

using wire::Isolation;
using wire::Policy;
using wire::Step;

constexpr int kSocket = 3;
constexpr uint64_t kSocketTag = ~uint64_t{0};

// Static: far too large for the stack, and forked children read it.
Context g_context;
Pool g_pool;
int g_epoll = -1;
bool g_blocked = false;  // sandboxd does not read its replies
wire::Reply g_refusal;   // waits to be sent when g_has_refusal
bool g_has_refusal = false;
uint32_t g_told_quarantined = 0;  // what sandboxd knows
bool g_pool_asked = false;        // and not answered yet

int64_t Now() {
  timespec ts{};
  ::clock_gettime(CLOCK_MONOTONIC, &ts);
  return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

const char* IsolationName(Isolation level) {
  switch (level) {
    case Isolation::kNoCgroup:
      return "no-cgroup";
    case Isolation::kRootless:
      return "rootless";
    case Isolation::kFull:
      return "full";
  }
  return "unknown";
}

bool ReadFilter(int fd, size_t n) {
  struct stat info {};

  const size_t bytes = sizeof(g_context.filters[n]);
  if (::fstat(fd, &info) != 0 || info.st_size <= 0 || static_cast<size_t>(info.st_size) > bytes ||
      static_cast<size_t>(info.st_size) % sizeof(sock_filter) != 0 ||
      ::pread(fd, g_context.filters[n].data(), bytes, 0) != info.st_size) {
    return false;
  }
  g_context.filter_sizes[n] =
      static_cast<uint16_t>(static_cast<size_t>(info.st_size) / sizeof(sock_filter));
  return true;
}

bool ReceiveSetup() {
  int fds[linux::kMaxMessageFds];
  int count = 0;
  wire::Setup& setup = g_context.setup;
  if (linux::ReceiveMessage(kSocket, &setup, sizeof(setup), fds, &count) != sizeof(setup)) {
    return false;
  }
  bool ok = CheckSetup(setup, count);
  for (int i = 0; i < count; ++i) {
    base::UniqueFd fd(fds[i]);
    if (ok && i >= wire::kPolicies) {
      ok = IsSealed(fds[i]);
      g_context.warm_payloads[static_cast<size_t>(i - wire::kPolicies)] = std::move(fd);
    } else {
      ok = ok && ReadFilter(fds[i], static_cast<size_t>(i));
    }
  }
  return ok;
}

void Await(uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = kSocketTag;
  ::epoll_ctl(g_epoll, EPOLL_CTL_MOD, kSocket, &event);
}

uint32_t Quarantined() {
  const auto sandboxes = g_pool.sandboxes();
  return static_cast<uint32_t>(std::count_if(sandboxes.begin(), sandboxes.end(),
                                             [](const Sandbox& s) { return s.quarantined(); }));
}

// False when sandboxd does not read: then the reply is kept, and no request is taken until it does,
// so that deadlines are kept and nothing piles up.
bool Send(wire::Reply reply, const base::UniqueFd* files, size_t file_count) {
  reply.quarantined = Quarantined();
  int fds[wire::kMaxCollect];
  int count = 0;
  for (size_t i = 0; i < file_count; ++i) {
    if (files[i].valid()) {
      fds[count++] = files[i].get();
    }
  }
  if (!linux::SendMessage(kSocket, &reply, wire::SizeOf(reply), fds, count, MSG_DONTWAIT) &&
      errno == EAGAIN) {
    g_blocked = true;
    Await(EPOLLOUT);
    return false;
  }
  g_told_quarantined = reply.quarantined;
  return true;  // or sandboxd is gone, and the loop will see that
}

void SendRefusal() {
  g_has_refusal = !Send(g_refusal, nullptr, 0);
}

// One answer for all that ask before it can be sent.
void SendPool() {
  wire::PoolReport report{};
  report.version = wire::kVersion;
  report.type = static_cast<uint32_t>(wire::ReplyType::kPool);
  g_pool.Report(&report);
  g_blocked = !linux::SendMessage(kSocket, &report, sizeof(report), nullptr, 0, MSG_DONTWAIT) &&
              errno == EAGAIN;
  g_pool_asked = g_blocked;
  if (g_blocked) {
    Await(EPOLLOUT);
  }
}

// Refusals are sent before the next request is taken: there is one at most.
void Refuse(uint64_t id, int error) {
  g_refusal = {};
  g_refusal.version = wire::kVersion;
  g_refusal.id = id;
  g_refusal.flags = wire::kEndedInternal;
  g_refusal.step = static_cast<uint32_t>(Step::kRequest);
  g_refusal.error = error;
  SendRefusal();
}

void SendOutcomes() {
  if (!g_blocked && g_has_refusal) {
    SendRefusal();
  }
  for (Sandbox& sandbox : g_pool.sandboxes()) {
    if (!g_blocked && sandbox.outcome() != nullptr &&
        Send(*sandbox.outcome(), sandbox.collected().data(), sandbox.collected().size())) {
      sandbox.Forget(g_pool.Runs() > 1, Now());  // alone, its processors go to the answer first
      g_pool.Answered(Now());
    }
  }
  // Whoever does not read its replies misses what was used meanwhile: it is measured when told.
  for (Sandbox& sandbox : g_pool.sandboxes()) {
    if (!g_blocked && sandbox.usage_due()) {
      Send(sandbox.Usage(Now()), nullptr, 0);
    }
  }
  if (!g_blocked && Quarantined() != g_told_quarantined) {
    wire::Reply news{};
    news.version = wire::kVersion;
    news.id = wire::kNoRun;
    Send(news, nullptr, 0);
  }
  if (!g_blocked && g_pool_asked) {
    SendPool();
  }
}

void HandleRun(const wire::Request& request, Claim claim, int64_t now) {
  for (const Sandbox& sandbox : g_pool.sandboxes()) {
    if (sandbox.has_claim() && sandbox.id() == request.id) {
      return Refuse(request.id, EEXIST);
    }
  }
  claim.id = request.id;
  claim.run.type = ControlType::kRun;
  claim.run.policy = static_cast<Policy>(request.profile);
  claim.run.file_fds = static_cast<uint32_t>(claim.fd_count - wire::FixedRunFds(request.detail));
  claim.run.input = static_cast<wire::Input>(request.detail);
  claim.run.rows = static_cast<uint16_t>(request.rows);
  claim.run.cols = static_cast<uint16_t>(request.cols);
  claim.run.limits = request.limits;
  claim.collect_count = request.collect_count;
  claim.collect_bytes = request.collect_bytes;
  claim.collect = request.collect;
  if (request.warm > g_context.setup.warm_count) {
    return Refuse(request.id, EINVAL);
  }
  Sandbox* sandbox = g_pool.Claimable(request.warm, now);
  if (sandbox == nullptr) {
    return Refuse(request.id, EAGAIN);
  }
  sandbox->Assign(std::move(claim), now);
}

void HandleKill(const wire::Request& request, int64_t now) {
  const bool output = request.detail == static_cast<uint32_t>(wire::KillReason::kOutputLimit);
  for (Sandbox& sandbox : g_pool.sandboxes()) {
    if (sandbox.has_claim() && sandbox.id() == request.id) {
      sandbox.End(output ? wire::kEndedOutput : wire::kEndedCancel, now);
    }
  }
}

void HandleSignal(const wire::Request& request) {
  for (Sandbox& sandbox : g_pool.sandboxes()) {
    if (sandbox.has_claim() && sandbox.id() == request.id) {
      sandbox.Signal(static_cast<int>(request.detail));
    }
  }
}

void HandleClosed(const wire::Request& request, int64_t now) {
  for (Sandbox& sandbox : g_pool.sandboxes()) {
    if (sandbox.has_claim() && sandbox.id() == request.id) {
      sandbox.OnOutputClosed(now);
    }
  }
}

// False when sandboxd is gone.
bool HandleRequest(int64_t now) {
  wire::Request request{};
  int fds[linux::kMaxMessageFds];
  Claim claim;
  const ssize_t n =
      linux::ReceiveMessage(kSocket, &request, sizeof(request), fds, &claim.fd_count, MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) {
    return true;
  }
  if (n < 0 && errno == EMSGSIZE) {  // too long, or more descriptors than can be
    Refuse(request.id, EMSGSIZE);
    return true;
  }
  for (int i = 0; i < claim.fd_count; ++i) {
    claim.fds[static_cast<size_t>(i)].reset(fds[i]);
  }
  if (n <= 0) {
    return false;
  }
  const int refusal = CheckRequest(request, static_cast<size_t>(n), claim.fd_count);
  if (refusal != 0) {
    Refuse(request.id, refusal);
  } else if (request.type == static_cast<uint32_t>(wire::RequestType::kKill)) {
    HandleKill(request, now);
  } else if (request.type == static_cast<uint32_t>(wire::RequestType::kSignal)) {
    HandleSignal(request);
  } else if (request.type == static_cast<uint32_t>(wire::RequestType::kPool)) {
    g_pool_asked = true;
  } else if (request.type == static_cast<uint32_t>(wire::RequestType::kClosed)) {
    HandleClosed(request, now);
  } else if (!CheckDescriptors(request, fds, claim.fd_count)) {
    Refuse(request.id, EBADF);
  } else {
    HandleRun(request, std::move(claim), now);
  }
  return true;
}

// One turn of the loop: waits for the next event or deadline. False when sandboxd is gone.
bool Turn(bool requests) {
  int64_t now = Now();
  const int64_t next = g_pool.NextTick(now);
  const int timeout_ms = static_cast<int>(std::max<int64_t>(0, (next - now + 999'999) / 1'000'000));
  epoll_event events[64];
  const int count = ::epoll_wait(g_epoll, events, 64, timeout_ms);
  now = Now();
  bool alive = true;
  for (int i = 0; i < count; ++i) {
    const uint64_t tag = events[i].data.u64;
    if (tag == kSocketTag && g_blocked) {
      alive = (events[i].events & (EPOLLHUP | EPOLLERR)) == 0;
      g_blocked = false;
      Await(EPOLLIN);
    } else if (tag == kSocketTag) {
      alive = !requests || HandleRequest(now);
    } else {
      g_pool.At(tag >> 8).OnEvent(static_cast<Sandbox::Source>(tag & 0xFF), now);
    }
  }
  g_pool.Tick(now);
  return alive;
}

// What a failing step usually means; null when there is nothing to add.
const char* Hint(Step step, int error) {
  const auto reads = [](const char* path, const char* value) {
    char text[16];
    return linux::ReadFileAt(AT_FDCWD, path, text, sizeof(text)) > 0 &&
           std::strncmp(text, value, std::strlen(value)) == 0;
  };
  if (error != EPERM && error != EACCES && error != ENOSPC && error != EINVAL) {
    return nullptr;
  }
  if (reads("/proc/sys/user/max_user_namespaces", "0")) {
    return "user namespaces are off: set the sysctl user.max_user_namespaces";
  }
  if (::geteuid() != 0 && reads("/proc/sys/kernel/unprivileged_userns_clone", "0")) {
    return "user namespaces are root's: set the sysctl kernel.unprivileged_userns_clone=1";
  }
  if (::geteuid() != 0 && reads("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")) {
    return "AppArmor restricts user namespaces: set the sysctl "
           "kernel.apparmor_restrict_unprivileged_userns=0, or allow sandbox-launcher userns in a "
           "profile";
  }
  if (step == Step::kClone || step == Step::kPrivateMounts || step == Step::kProc) {
    return "inside a container, its seccomp profile or its masked /proc forbids this";
  }
  return nullptr;
}

// Runs a program of ours against a small limit and checks that the limit stops it: what is not
// enforced on this machine is found at start, not by a job.
bool ProbeLimit(Probe probe, char* why, size_t why_size) {
  Claim claim;
  claim.id = 1;
  claim.run.type = ControlType::kRun;
  claim.run.policy = Policy::kRun;
  claim.run.probe = probe;
  claim.run.limits = {10'000'000'000, 0, probe == Probe::kMemory ? 16 << 20 : 64 << 20, 8,
                      1 << 20,        64};
  claim.fd_count = wire::kFixedRunFds;
  for (int i = 0; i < claim.fd_count; ++i) {
    claim.fds[static_cast<size_t>(i)].reset(::open("/dev/null", O_RDWR | O_CLOEXEC));
  }
  Sandbox& sandbox = g_pool.At(0);
  if (!sandbox.Build(Now())) {
    std::snprintf(why, why_size, "cannot fork the first sandbox: errno %d", errno);
    return false;
  }
  sandbox.Assign(std::move(claim), Now());
  while (sandbox.outcome() == nullptr) {
    Turn(false);
  }
  const wire::Reply reply = *sandbox.outcome();
  sandbox.Forget(true, Now());
  while (sandbox.state() != Sandbox::State::kFree) {
    Turn(false);
  }
  if ((reply.flags & wire::kEndedInternal) != 0) {
    const auto step = static_cast<Step>(reply.step);
    const char* hint = Hint(step, reply.error);
    std::snprintf(why, why_size, "the first sandbox failed at the step '%s': errno %d (%s)%s%s",
                  wire::StepName(step), reply.error, strerrorname_np(reply.error),
                  hint == nullptr ? "" : "; ", hint == nullptr ? "" : hint);
    return false;
  }
  const bool cgroups = g_context.cgroups.version() != 0;
  const bool memory_ok =
      cgroups ? (reply.flags & wire::kEndedMemory) != 0 : WEXITSTATUS(reply.wait_status) == 3;
  const bool tasks_ok = (reply.flags & wire::kHasStatus) != 0 && WIFEXITED(reply.wait_status) &&
                        WEXITSTATUS(reply.wait_status) == 1;
  if (probe == Probe::kMemory ? !memory_ok : !tasks_ok) {
    std::snprintf(why, why_size,
                  "the %s limit did not stop a program that exceeds it (flags %#x, status %#x)",
                  probe == Probe::kMemory ? "memory" : "process", reply.flags,
                  static_cast<unsigned>(reply.wait_status));
    return false;
  }
  return true;
}

// Finds out what this machine offers and proves it.
void Start(wire::Ready* ready) {
  char why[768] = "";
  g_context.root = ::geteuid() == 0;
  const int version = g_context.cgroups.Open(why, sizeof(why));
  g_context.isolation = version == 0     ? Isolation::kNoCgroup
                        : g_context.root ? Isolation::kFull
                                         : Isolation::kRootless;
  g_context.landlock_abi = linux::LandlockAbi();
  const auto wanted = static_cast<Isolation>(g_context.setup.min_isolation);
  ready->isolation = static_cast<uint32_t>(g_context.isolation);
  ready->cgroup_version = static_cast<uint32_t>(version);
  ready->landlock_abi = static_cast<uint32_t>(g_context.landlock_abi);
  if (g_context.isolation < wanted) {
    std::snprintf(
        ready->message.data(), ready->message.size(),
        "isolation level %s is below SANDBOX_MIN_ISOLATION=%s: %s%s",
        IsolationName(g_context.isolation), IsolationName(wanted),
        why[0] != '\0'
            ? why
            : "sandboxd was not started by root, so all sandboxes would share one host user",
        version != 0 ? ""
                     : ". Start it as root, or in a delegated group (systemd-run --user --scope -p "
                       "Delegate=yes sandboxd); SANDBOX_MIN_ISOLATION=no-cgroup runs without these "
                       "limits, docs/security.md says which");
    return;
  }
  if (g_context.root) {
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  }
  // Not before the control groups are made: it starts a process, and a group with a member beside
  // this one and sandboxd is not taken for ours.
  if (!g_pool.Init(&g_context, g_epoll)) {
    std::snprintf(ready->message.data(), ready->message.size(), "cannot start a process: %s",
                  strerrorname_np(errno));
    return;
  }
  char failure[768] = "";
  if (!ProbeLimit(Probe::kMemory, failure, sizeof(failure)) ||
      !ProbeLimit(Probe::kTasks, failure, sizeof(failure))) {
    std::snprintf(ready->message.data(), ready->message.size(), "%s", failure);
    return;
  }
  ready->ok = 1;
  std::snprintf(ready->message.data(), ready->message.size(), "%s", why);
}

// After sandboxd has gone: ends everything and leaves nothing behind.
void Shutdown() {
  const int64_t deadline = Now() + int64_t{5} * 1'000'000'000;
  ::epoll_ctl(g_epoll, EPOLL_CTL_DEL, kSocket, nullptr);
  g_pool.Discard(Now());
  while (g_pool.busy() && Now() < deadline) {
    Turn(false);
  }
  g_context.cgroups.Close();
}

int Main() {
  ::signal(SIGPIPE, SIG_IGN);
  // Ctrl-C in a terminal reaches the whole group; this program ends when sandboxd does, not before.
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGTERM, SIG_IGN);
  ::setsid();
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur =
        files.rlim_max;  // about ten descriptors a sandbox; jobs have limits of their own
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  g_epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (g_epoll < 0 || ::fcntl(kSocket, F_SETFD, FD_CLOEXEC) != 0 || !ReceiveSetup()) {
    std::fputs("sandbox-launcher is started by sandboxd and not by hand\n", stderr);
    return 2;
  }
  wire::Ready ready{};
  ready.version = wire::kVersion;
  Start(&ready);
  if (!linux::SendMessage(kSocket, &ready, sizeof(ready), nullptr, 0) || ready.ok == 0) {
    g_context.cgroups.Close();
    return 1;
  }
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kSocketTag;
  ::epoll_ctl(g_epoll, EPOLL_CTL_ADD, kSocket, &event);
  g_pool.Refill(Now());
  while (Turn(true)) {
    SendOutcomes();
    g_pool.Refill(Now());
  }
  Shutdown();
  return 0;
}

}  // namespace
}  // namespace sandbox::launcher

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "--view") == 0) {
    return sandbox::launcher::ViewMain(&sandbox::launcher::g_context, argc, argv);
  }
  return sandbox::launcher::Main();
}
