// The start of the launcher: what it is told, and what it has found out about this machine.

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "linux/message.h"
#include "linux/syscall.h"
#include "sandbox/client.h"
#include "sandbox/request.h"
#include "sandbox/wire.h"

namespace sandbox {
namespace {

using base::Error;
using base::Result;
using base::UniqueFd;

constexpr int kReadyDeadlineMs = 120'000;

Result<std::vector<UniqueFd>> EncodeWarm(const NativeOptions& options, wire::Setup* setup) {
  if (options.warm.size() > setup->warm_sources.size()) {
    return base::InvalidArgument("more than " + std::to_string(setup->warm_sources.size()) +
                                 " programs to start ahead");
  }
  const auto programs = static_cast<uint32_t>(std::max<size_t>(1, options.warm.size()));
  setup->warm_park = std::min(options.warm_park, wire::kMaxSandboxes / (2 * programs));
  setup->warm_jobs = options.warm_jobs;
  std::vector<UniqueFd> payloads;
  for (const WarmProgram& program : options.warm) {
    auto payload = EncodeCommand(program.argv, program.env);
    if (!payload) {
      return payload.error();
    }
    std::string preload;
    for (const std::string& module : program.preload) {
      preload += (preload.empty() ? "" : ",") + module;
    }
    const uint32_t number = setup->warm_count++;
    if (!CopyName(program.source, &setup->warm_sources[number]) ||
        !CopyName(preload, &setup->warm_preloads[number])) {
      return base::InvalidArgument("the source of a warm program or its modules are too long");
    }
    setup->warm_forks[number] = program.forks ? 1 : 0;
    payloads.push_back(*std::move(payload));
  }
  return payloads;
}

// In the words of docs/security.md, "Isolation levels".
std::vector<std::string> NotLimited(const std::string& isolation, bool root) {
  std::vector<std::string> out;
  if (isolation == "no-cgroup") {
    out = {
        "memory: each process's private memory is bounded, a job's processes together and memory "
        "that they share are not",
        "cpu_time: bounded for each process, not for a job's processes together",
        "usage: figures are those of the main process and the children that it waited for",
    };
  }
  if (!root) {
    out.emplace_back(
        "kernel counters by user (pipe pages, pending signals, message queues, inotify): all jobs "
        "share one host user");
  }
  return out;
}

}  // namespace

Result<Launcher> StartLauncher(const NativeOptions& options, const Filters& filters) {
  wire::Setup setup{};
  setup.version = wire::kVersion;
  setup.min_isolation =
      static_cast<uint32_t>(options.min_isolation == "full"       ? wire::Isolation::kFull
                            : options.min_isolation == "rootless" ? wire::Isolation::kRootless
                                                                  : wire::Isolation::kNoCgroup);
  setup.uid_base = options.uid_base;
  setup.park = options.park;
  setup.cpus = options.cpus;
  if (options.mounts.size() > setup.mounts.size()) {
    return base::InvalidArgument("too many read-only folders for sandboxes");
  }
  for (const ReadOnlyMount& mount : options.mounts) {
    wire::Mount& slot = setup.mounts[setup.mount_count++];
    if (!CopyName(mount.source, &slot.source) || !CopyName(mount.target, &slot.target)) {
      return base::InvalidArgument("the path " + mount.source + " is too long");
    }
  }
  if (!CopyName(options.root, &setup.root)) {
    return base::InvalidArgument("the path " + options.root + " is too long");
  }
  auto payloads = EncodeWarm(options, &setup);
  if (!payloads) {
    return payloads.error();
  }
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    return base::SysError("socketpair", errno);
  }
  Launcher launcher;
  launcher.socket.reset(pair[0]);
  UniqueFd theirs(pair[1]);
  if (theirs.get() == 3) {  // dup2 onto itself would keep close-on-exec
    theirs.reset(::fcntl(theirs.get(), F_DUPFD_CLOEXEC, 10));
  }
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), 3);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 4);
  std::string name = "sandbox-launcher";
  std::array<char*, 2> argv = {name.data(), nullptr};
  std::array<char*, 1> envp = {nullptr};
  pid_t pid = -1;
  const int error =
      ::posix_spawn(&pid, options.launcher.c_str(), &actions, nullptr, argv.data(), envp.data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return base::SysError("start " + options.launcher, error);
  }
  theirs.reset();
  launcher.process.reset(linux::PidfdOpen(pid));
  std::vector<int> fds;
  for (const UniqueFd& filter : filters) {
    fds.push_back(filter.get());
  }
  for (const UniqueFd& payload : *payloads) {
    fds.push_back(payload.get());
  }
  wire::Ready ready{};
  std::array<int, linux::kMaxMessageFds> none{};
  int none_count = 0;
  pollfd polled{launcher.socket.get(), POLLIN, 0};
  if (!linux::SendMessage(launcher.socket.get(), &setup, sizeof(setup), fds.data(),
                          static_cast<int>(fds.size())) ||
      ::poll(&polled, 1, kReadyDeadlineMs) != 1 ||
      linux::ReceiveMessage(launcher.socket.get(), &ready, sizeof(ready), none.data(),
                            &none_count) != sizeof(ready) ||
      ready.version != wire::kVersion) {
    return base::Internal(
        "sandbox-launcher did not start: it ended or did not answer in time (see its output "
        "above)");
  }
  ready.message.back() = '\0';
  if (ready.ok == 0) {
    return Error{base::ErrorKind::kUnavailable,
                 std::string("the sandbox cannot be used: ") + ready.message.data(), 0};
  }
  static constexpr std::array<const char*, 3> kLevels = {"no-cgroup", "rootless", "full"};
  launcher.isolation = kLevels[std::min<size_t>(ready.isolation, 2)];
  launcher.warm = options.warm;
  launcher.not_limited = NotLimited(launcher.isolation, ::geteuid() == 0);
  launcher.detail =
      "cgroup " +
      (ready.cgroup_version == 0 ? "none" : "v" + std::to_string(ready.cgroup_version)) +
      ", landlock " +
      (ready.landlock_abi == 0 ? "none" : "abi " + std::to_string(ready.landlock_abi));
  if (ready.message[0] != '\0') {
    launcher.detail += std::string(", ") + ready.message.data();
  }
  return launcher;
}

}  // namespace sandbox
