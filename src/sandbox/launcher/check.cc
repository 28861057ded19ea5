#include "sandbox/launcher/check.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace sandbox::launcher {
namespace {

using wire::Policy;
using wire::RequestType;

constexpr int64_t kMaxDuration = int64_t{24} * 3600 * 1'000'000'000;
constexpr int64_t kMaxBytes = int64_t{1} << 40;
constexpr int64_t kMinMemory = 1 << 20;
constexpr int64_t kMaxProcesses = 32768;
constexpr int64_t kMinOpenFiles = 16;
constexpr int64_t kMaxOpenFiles = 1 << 20;
constexpr uint32_t kMinUid = 1000;
constexpr uint32_t kMaxCpus = 4096;
constexpr uint32_t kMaxWarmJobs = 1'000'000;
constexpr int64_t kMaxSignal = 31;  // those behind it belong to libraries

template <typename Text>
bool EndsWithNul(const Text& text) {
  return std::memchr(text.data(), 0, text.size()) != nullptr;
}

// Names of modules, with commas between.
bool AreModules(const wire::Words& words) {
  return EndsWithNul(words) &&
         std::strspn(words.data(),
                     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.,") ==
             std::strlen(words.data());
}

bool Within(int64_t value, int64_t least, int64_t most) {
  return value >= least && value <= most;
}

bool CheckLimits(const wire::RunLimits& l) {
  return Within(l.wall_time, 1, kMaxDuration) && Within(l.cpu_time, 0, kMaxDuration) &&
         Within(l.memory_bytes, kMinMemory, kMaxBytes) && Within(l.processes, 1, kMaxProcesses) &&
         Within(l.file_bytes, 1, kMaxBytes) && Within(l.open_files, kMinOpenFiles, kMaxOpenFiles);
}

bool IsPipe(int fd, int access) {
  const int flags = ::fcntl(fd, F_GETFL);
  return ::fcntl(fd, F_GETPIPE_SZ) > 0 && flags >= 0 && (flags & O_ACCMODE) == access;
}

bool IsMessageSocket(int fd) {
  const auto option = [&](int name) {
    int value = -1;
    socklen_t size = sizeof(value);
    return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
  };
  return option(SO_DOMAIN) == AF_UNIX && option(SO_TYPE) == SOCK_SEQPACKET;
}

// Programs only, and none that has started ahead without it, have a terminal.
bool CheckTerminal(const wire::Request& request) {
  if (request.detail != static_cast<uint32_t>(wire::Input::kTerminal)) {
    return request.rows == 0 && request.cols == 0;
  }
  return Within(request.rows, 1, wire::kMaxTerminalSide) &&
         Within(request.cols, 1, wire::kMaxTerminalSide) && request.warm == 0 &&
         request.profile == static_cast<uint32_t>(Policy::kRun);
}

}  // namespace

bool IsSealed(int fd) {
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  const int seals = ::fcntl(fd, F_GET_SEALS);  // EINVAL for everything but memfds
  const int flags = ::fcntl(fd, F_GETFL);
  return seals >= 0 && (seals & kSeals) == kSeals && flags >= 0 && (flags & O_PATH) == 0 &&
         (flags & O_ACCMODE) != O_WRONLY;
}

bool CheckSetup(const wire::Setup& setup, int fd_count) {
  bool ok = setup.version == wire::kVersion && setup.warm_count <= wire::kMaxWarm &&
            fd_count == wire::kPolicies + static_cast<int>(setup.warm_count) &&
            setup.mount_count <= wire::kMaxMounts && setup.park <= wire::kMaxSandboxes / 2 &&
            setup.warm_park <= wire::kMaxSandboxes &&
            2 * setup.warm_count * setup.warm_park <= wire::kMaxSandboxes &&
            setup.min_isolation <= static_cast<uint32_t>(wire::Isolation::kFull) &&
            setup.uid_base >= kMinUid && setup.uid_base < 0xFFFFFFFF - wire::kHostIds &&
            setup.cpus <= kMaxCpus &&
            (setup.warm_count == 0 || Within(setup.warm_jobs, 1, kMaxWarmJobs));
  for (uint32_t i = 0; ok && i < setup.mount_count; ++i) {
    const wire::Mount& mount = setup.mounts[i];
    ok = EndsWithNul(mount.source) && EndsWithNul(mount.target) && mount.source[0] == '/' &&
         mount.target[0] == '/' && std::strstr(mount.target.data(), "..") == nullptr;
  }
  for (uint32_t i = 0; ok && i < setup.warm_count; ++i) {
    const wire::Name& source = setup.warm_sources[i];
    ok = EndsWithNul(source) && source[0] != '\0' && source[0] != '.' &&
         std::strchr(source.data(), '/') == nullptr && AreModules(setup.warm_preloads[i]) &&
         setup.warm_forks[i] <= 1;
  }
  return ok && EndsWithNul(setup.root) && (setup.root[0] == '/' || setup.root[0] == '\0');
}

int CheckRequest(const wire::Request& request, size_t size, int fd_count) {
  if (size != wire::SizeOf(request) || request.version != wire::kVersion) {
    return EPROTO;
  }
  if (request.type == static_cast<uint32_t>(RequestType::kKill) ||
      request.type == static_cast<uint32_t>(RequestType::kPool) ||
      request.type == static_cast<uint32_t>(RequestType::kClosed)) {
    return fd_count == 0 ? 0 : EINVAL;
  }
  if (request.type == static_cast<uint32_t>(RequestType::kSignal)) {
    return fd_count == 0 && Within(request.detail, 1, kMaxSignal) ? 0 : EINVAL;
  }
  bool ok = request.type == static_cast<uint32_t>(RequestType::kRun) &&
            (request.profile == static_cast<uint32_t>(Policy::kRun) ||
             request.profile == static_cast<uint32_t>(Policy::kCompile)) &&
            request.detail <= static_cast<uint32_t>(wire::Input::kTerminal) &&
            CheckTerminal(request) && fd_count >= wire::FixedRunFds(request.detail) &&
            fd_count <= wire::kMaxFds && request.id != 0 && CheckLimits(request.limits) &&
            request.collect_count <= wire::kMaxCollect &&
            (request.warm == 0 || (request.warm <= wire::kMaxWarm &&
                                   request.profile == static_cast<uint32_t>(Policy::kRun))) &&
            Within(request.collect_bytes, 0, kMaxBytes);
  for (uint32_t i = 0; ok && i < request.collect_count; ++i) {
    ok = EndsWithNul(request.collect[i]);
  }
  return ok ? 0 : EINVAL;
}

bool CheckDescriptors(const wire::Request& request, const int* fds, int fd_count) {
  const bool terminal = request.detail == static_cast<uint32_t>(wire::Input::kTerminal);
  const bool piped = request.detail == static_cast<uint32_t>(wire::Input::kPipe);
  const auto fits = [&](int place, int fd) {
    if (terminal && place == 1) {
      return IsMessageSocket(fd);
    }
    if (piped && place == 1) {
      return IsPipe(fd, O_RDONLY);
    }
    return !terminal && (place == 2 || place == 3) ? IsPipe(fd, O_WRONLY) : IsSealed(fd);
  };
  for (int i = 0; i < fd_count; ++i) {
    if (!fits(i, fds[i])) {
      return false;
    }
  }
  return true;
}

}  // namespace sandbox::launcher
