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
#include "sandbox/launcher/context.h"
#include "sandbox/launcher/sandbox.h"

namespace sandbox::launcher {
namespace {

using wire::Isolation;
using wire::Policy;
using wire::Step;

constexpr int kSocket = 3;
constexpr uint64_t kSocketTag = ~uint64_t{0};
constexpr int64_t kMaxDuration = int64_t{24} * 3600 * 1'000'000'000;

// Static: far too large for the stack, and forked children read it.
Context g_context;
Sandbox g_sandboxes[wire::kMaxSandboxes];
int g_epoll = -1;

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

bool EndsWithNul(const wire::Name& name) {
  return std::memchr(name.data(), 0, name.size()) != nullptr;
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
  bool ok = setup.version == wire::kVersion && count == wire::kPolicies &&
            setup.mount_count <= wire::kMaxMounts && setup.park <= wire::kMaxSandboxes / 2 &&
            setup.min_isolation <= static_cast<uint32_t>(Isolation::kFull) &&
            setup.uid_base >= 1000 && setup.uid_base < 0xFFFFFFFF - 2 * wire::kMaxSandboxes;
  for (uint32_t i = 0; ok && i < setup.mount_count; ++i) {
    const wire::Mount& mount = setup.mounts[i];
    ok = EndsWithNul(mount.source) && EndsWithNul(mount.target) && mount.source[0] == '/' &&
         mount.target[0] == '/' && std::strstr(mount.target.data(), "..") == nullptr;
  }
  for (int i = 0; i < count; ++i) {
    ok = ok && i < wire::kPolicies && ReadFilter(fds[i], static_cast<size_t>(i));
    ::close(fds[i]);
  }
  return ok;
}

Sandbox* FindFree() {
  for (Sandbox& sandbox : g_sandboxes) {
    if (sandbox.state() == Sandbox::State::kFree) {
      return &sandbox;
    }
  }
  return nullptr;
}

// Keeps the wanted number of sandboxes ready, unless building them fails.
void Refill(int64_t now) {
  uint32_t ready = 0;
  for (Sandbox& sandbox : g_sandboxes) {
    const bool spare =
        sandbox.state() == Sandbox::State::kParked || sandbox.state() == Sandbox::State::kBuilding;
    ready += spare && !sandbox.has_claim() ? 1 : 0;
  }
  for (; ready < g_context.setup.park; ++ready) {
    Sandbox* sandbox = FindFree();
    if (sandbox == nullptr || sandbox->build_failed() || !sandbox->Build(now)) {
      return;
    }
  }
}

// A parked sandbox, else one that is being built, else a new one.
Sandbox* Claimable(int64_t now) {
  Sandbox* building = nullptr;
  for (Sandbox& sandbox : g_sandboxes) {
    if (sandbox.has_claim()) {
      continue;
    }
    if (sandbox.state() == Sandbox::State::kParked) {
      return &sandbox;
    }
    if (sandbox.state() == Sandbox::State::kBuilding && building == nullptr) {
      building = &sandbox;
    }
  }
  if (building != nullptr) {
    return building;
  }
  Sandbox* fresh = FindFree();
  return fresh != nullptr && fresh->Build(now) ? fresh : nullptr;
}

void SendReply(const wire::Reply& reply,
               const std::array<base::UniqueFd, wire::kMaxCollect>& files) {
  int fds[wire::kMaxCollect];
  int count = 0;
  for (const base::UniqueFd& file : files) {
    if (file.valid()) {
      fds[count++] = file.get();
    }
  }
  // Blocking: sandboxd reads whenever it can, and an outcome must not be dropped.
  linux::SendMessage(kSocket, &reply, sizeof(reply), fds, count);
}

void Refuse(uint64_t id, int error) {
  wire::Reply reply{};
  reply.version = wire::kVersion;
  reply.id = id;
  reply.flags = wire::kEndedInternal;
  reply.step = static_cast<uint32_t>(Step::kRequest);
  reply.error = error;
  SendReply(reply, {});
}

bool ValidLimits(const wire::RunLimits& l) {
  return l.wall_time > 0 && l.wall_time <= kMaxDuration && l.cpu_time >= 0 &&
         l.cpu_time <= kMaxDuration && l.memory_bytes >= (1 << 20) &&
         l.memory_bytes <= (int64_t{1} << 40) && l.processes > 0 && l.processes <= 32768 &&
         l.file_bytes > 0 && l.file_bytes <= (int64_t{1} << 40) && l.open_files >= 16 &&
         l.open_files <= 1 << 20;
}

void HandleRun(const wire::Request& request, Claim claim, int64_t now) {
  const bool policy_ok = request.profile == static_cast<uint32_t>(Policy::kRun) ||
                         request.profile == static_cast<uint32_t>(Policy::kCompile);
  bool ok = policy_ok && claim.fd_count >= wire::kFixedRunFds && ValidLimits(request.limits) &&
            request.id != 0 && request.collect_count <= wire::kMaxCollect &&
            request.collect_bytes >= 0;
  for (uint32_t i = 0; ok && i < request.collect_count; ++i) {
    ok = EndsWithNul(request.collect[i]);
  }
  if (!ok) {
    return Refuse(request.id, EINVAL);
  }
  claim.id = request.id;
  claim.run.type = ControlType::kRun;
  claim.run.policy = static_cast<Policy>(request.profile);
  claim.run.file_fds = static_cast<uint32_t>(claim.fd_count - wire::kFixedRunFds);
  claim.run.limits = request.limits;
  claim.collect_count = request.collect_count;
  claim.collect_bytes = request.collect_bytes;
  claim.collect = request.collect;
  Sandbox* sandbox = Claimable(now);
  if (sandbox == nullptr) {
    return Refuse(request.id, EAGAIN);
  }
  sandbox->Assign(std::move(claim), now);
}

// False when sandboxd is gone.
bool HandleRequest(int64_t now) {
  wire::Request request{};
  int fds[linux::kMaxMessageFds];
  Claim claim;
  const ssize_t n =
      linux::ReceiveMessage(kSocket, &request, sizeof(request), fds, &claim.fd_count, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EMSGSIZE)) {
    return true;
  }
  for (int i = 0; i < claim.fd_count; ++i) {
    claim.fds[static_cast<size_t>(i)].reset(fds[i]);
  }
  if (n <= 0) {
    return false;
  }
  if (n != sizeof(request) || request.version != wire::kVersion) {
    Refuse(request.id, EPROTO);
    return true;
  }
  if (request.type == static_cast<uint32_t>(wire::RequestType::kRun)) {
    HandleRun(request, std::move(claim), now);
  } else if (request.type == static_cast<uint32_t>(wire::RequestType::kKill)) {
    const bool output =
        request.kill_reason == static_cast<uint32_t>(wire::KillReason::kOutputLimit);
    for (Sandbox& sandbox : g_sandboxes) {
      if (sandbox.has_claim() && sandbox.id() == request.id) {
        sandbox.End(output ? wire::kEndedOutput : wire::kEndedCancel, now);
      }
    }
  } else {
    Refuse(request.id, EINVAL);
  }
  return true;
}

// One turn of the loop: waits for the next event or deadline. False when sandboxd is gone.
bool Turn(bool requests) {
  int64_t now = Now();
  int64_t next = now + int64_t{60} * 1'000'000'000;
  for (const Sandbox& sandbox : g_sandboxes) {
    next = std::min(next, sandbox.next_tick());
  }
  const int timeout_ms = static_cast<int>(std::max<int64_t>(0, (next - now + 999'999) / 1'000'000));
  epoll_event events[64];
  const int count = ::epoll_wait(g_epoll, events, 64, timeout_ms);
  now = Now();
  bool alive = true;
  for (int i = 0; i < count; ++i) {
    const uint64_t tag = events[i].data.u64;
    if (tag == kSocketTag) {
      alive = !requests || HandleRequest(now);
    } else {
      g_sandboxes[tag >> 8].OnEvent(static_cast<Sandbox::Source>(tag & 0xFF), now);
    }
  }
  for (Sandbox& sandbox : g_sandboxes) {
    sandbox.OnTick(now);
  }
  return alive;
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
  Sandbox& sandbox = g_sandboxes[0];
  wire::Reply reply{};
  std::array<base::UniqueFd, wire::kMaxCollect> files;
  if (!sandbox.Build(Now())) {
    std::snprintf(why, why_size, "cannot fork the first sandbox: errno %d", errno);
    return false;
  }
  sandbox.Assign(std::move(claim), Now());
  while (!sandbox.TakeReply(&reply, &files)) {
    Turn(false);
  }
  while (sandbox.state() != Sandbox::State::kFree) {
    Turn(false);
  }
  if ((reply.flags & wire::kEndedInternal) != 0) {
    std::snprintf(why, why_size, "the first sandbox failed at the step '%s': errno %d (%s)",
                  wire::StepName(static_cast<Step>(reply.step)), reply.error,
                  strerrorname_np(reply.error));
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
        "isolation level %s is below the required %s: %s", IsolationName(g_context.isolation),
        IsolationName(wanted),
        why[0] != '\0'
            ? why
            : "sandboxd was not started by root, so all sandboxes would share one host user");
    return;
  }
  if (g_context.root) {
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
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
  for (Sandbox& sandbox : g_sandboxes) {
    sandbox.Discard(Now());
  }
  const auto busy = [] {
    return std::any_of(std::begin(g_sandboxes), std::end(g_sandboxes),
                       [](const Sandbox& s) { return s.state() != Sandbox::State::kFree; });
  };
  while (busy() && Now() < deadline) {
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
  g_epoll = ::epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < wire::kMaxSandboxes; ++i) {
    g_sandboxes[i].Init(&g_context, i, g_epoll);
  }
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
  Refill(Now());
  while (Turn(true)) {
    for (Sandbox& sandbox : g_sandboxes) {
      wire::Reply reply{};
      std::array<base::UniqueFd, wire::kMaxCollect> files;
      if (sandbox.TakeReply(&reply, &files)) {
        SendReply(reply, files);
      }
    }
    Refill(Now());
  }
  Shutdown();
  return 0;
}

}  // namespace
}  // namespace sandbox::launcher

int main() {
  return sandbox::launcher::Main();
}
