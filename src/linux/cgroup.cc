#include "linux/cgroup.h"

#include <dirent.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "linux/syscall.h"

namespace linux {
namespace {

// The folders of version 1, in the order of CgroupLeaf::folders.
enum V1 { kMemory = 0, kPids = 1, kCpu = 2, kCpuacct = 3 };

constexpr const char* kV1Names[] = {"memory", "pids", "cpu", "cpuacct"};
constexpr char kPrefix[] = "code-sandbox.";

bool WriteText(const base::UniqueFd& folder, const char* file, const char* text) {
  return WriteFileAt(folder.get(), file, text, std::strlen(text));
}

bool WriteNumber(const base::UniqueFd& folder, const char* file, int64_t value) {
  char text[32];
  const int n = std::snprintf(text, sizeof(text), "%lld", static_cast<long long>(value));
  return WriteFileAt(folder.get(), file, text, static_cast<size_t>(n));
}

int64_t ReadNumber(const base::UniqueFd& folder, const char* file) {
  char text[64];
  if (ReadFileAt(folder.get(), file, text, sizeof(text)) <= 0) {
    return -1;
  }
  return std::strtoll(text, nullptr, 10);
}

// The number behind `key ` in a file of "key value" lines, -1 when absent.
int64_t ReadKey(const base::UniqueFd& folder, const char* file, const char* key) {
  char text[4096];
  if (ReadFileAt(folder.get(), file, text, sizeof(text)) <= 0) {
    return -1;
  }
  const size_t length = std::strlen(key);
  for (char* line = text; line != nullptr; line = std::strchr(line, '\n')) {
    line += *line == '\n' ? 1 : 0;
    if (std::strncmp(line, key, length) == 0 && line[length] == ' ') {
      return std::strtoll(line + length + 1, nullptr, 10);
    }
  }
  return -1;
}

// The start time of a process in clock ticks (field 22 of proc_pid_stat(5)), -1 when there is none.
long long StartTime(long pid) {
  char path[64];
  char text[1024];
  std::snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
  if (ReadFileAt(AT_FDCWD, path, text, sizeof(text)) <= 0) {
    return -1;
  }
  const char* at = std::strrchr(text, ')');  // the command name may hold anything, also spaces
  for (int field = 2; at != nullptr && field < 22; ++field) {
    at = std::strchr(at + 1, ' ');
  }
  return at == nullptr ? -1 : std::strtoll(at, nullptr, 10);
}

// The mount point of a cgroup tree: of version 1 with `controller`, of version 2 when it is null.
bool FindMount(const char* controller, char* path, size_t size) {
  std::FILE* file = std::fopen("/proc/self/mountinfo", "re");
  if (file == nullptr) {
    return false;
  }
  char line[4096];
  bool found = false;
  while (!found && std::fgets(line, sizeof(line), file) != nullptr) {
    // id parent major:minor root mountpoint options ... - type source super-options
    char mount_point[1024];
    if (std::sscanf(line, "%*s %*s %*s %*s %1023s", mount_point) != 1) {
      continue;
    }
    const char* dash = std::strstr(line, " - ");
    char type[64];
    char super[1024];
    if (dash == nullptr || std::sscanf(dash + 3, "%63s %*s %1023s", type, super) != 2) {
      continue;
    }
    if (controller == nullptr) {
      found = std::strcmp(type, "cgroup2") == 0;
    } else if (std::strcmp(type, "cgroup") == 0) {
      for (char *save = nullptr, *word = ::strtok_r(super, ",", &save); word != nullptr;
           word = ::strtok_r(nullptr, ",", &save)) {
        found = found || std::strcmp(word, controller) == 0;
      }
    }
    if (found) {
      std::snprintf(path, size, "%s", mount_point);
    }
  }
  std::fclose(file);
  return found;
}

// This process's own path within a tree, as /proc/self/cgroup tells it.
bool OwnPath(const char* controller, char* path, size_t size) {
  std::FILE* file = std::fopen("/proc/self/cgroup", "re");
  if (file == nullptr) {
    return false;
  }
  char line[4096];
  bool found = false;
  while (!found && std::fgets(line, sizeof(line), file) != nullptr) {
    line[std::strcspn(line, "\n")] = '\0';
    char* names = std::strchr(line, ':');
    char* own = names == nullptr ? nullptr : std::strchr(names + 1, ':');
    if (own == nullptr) {
      continue;
    }
    *own++ = '\0';
    ++names;
    if (controller == nullptr) {
      found = *names == '\0' && std::strncmp(line, "0:", 2) == 0;
    } else {
      for (char *save = nullptr, *word = ::strtok_r(names, ",", &save); word != nullptr;
           word = ::strtok_r(nullptr, ",", &save)) {
        found = found || std::strcmp(word, controller) == 0;
      }
    }
    if (found) {
      std::snprintf(path, size, "%s", own);
    }
  }
  std::fclose(file);
  return found;
}

base::UniqueFd OpenFolder(int at, const char* path) {
  return base::UniqueFd(::openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

void KillMembers(int folder) {
  if (WriteFileAt(folder, "cgroup.kill", "1", 1)) {
    return;
  }
  char text[65536];
  if (ReadFileAt(folder, "cgroup.procs", text, sizeof(text)) <= 0) {
    return;
  }
  for (char *save = nullptr, *word = ::strtok_r(text, "\n", &save); word != nullptr;
       word = ::strtok_r(nullptr, "\n", &save)) {
    const base::UniqueFd pidfd(PidfdOpen(std::atoi(word)));
    if (pidfd.valid()) {
      PidfdKill(pidfd.get());
    }
  }
}

// Calls `visit` with the name of each sub-folder.
template <typename Visit>
void ForEachFolder(int folder, Visit visit) {
  DIR* dir = ::fdopendir(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir == nullptr) {
    return;
  }
  while (const dirent* entry = ::readdir(dir)) {  // NOLINT(concurrency-mt-unsafe): one thread
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
      visit(entry->d_name);
    }
  }
  ::closedir(dir);
}

// Removes what launchers that are dead have left: kill, then remove leaf by leaf. Live ones are
// untouched.
void SweepDead(int parent) {
  ForEachFolder(parent, [&](const char* name) {
    long pid = 0;
    long long start = 0;
    if (std::strncmp(name, kPrefix, sizeof(kPrefix) - 1) != 0 ||
        std::sscanf(name + sizeof(kPrefix) - 1, "%ld.%lld", &pid, &start) != 2 ||
        StartTime(pid) == start) {
      return;
    }
    const base::UniqueFd dead = OpenFolder(parent, name);
    if (!dead.valid()) {
      return;
    }
    ForEachFolder(dead.get(), [&](const char* leaf) {
      const base::UniqueFd folder = OpenFolder(dead.get(), leaf);
      if (folder.valid()) {
        KillMembers(folder.get());
      }
      for (int i = 0; i < 200 && ::unlinkat(dead.get(), leaf, AT_REMOVEDIR) != 0 && errno == EBUSY;
           ++i) {
        ::usleep(10'000);  // start-up only: until the killed processes are gone, 2 s at most
      }
    });
    ::unlinkat(parent, name, AT_REMOVEDIR);
  });
}

}  // namespace

int CgroupBase::Open(char* why, size_t why_size) {
  std::snprintf(name_.data(), name_.size(), "%s%d.%lld", kPrefix, ::getpid(),
                StartTime(::getpid()));
  char why_v2[256] = "";
  char why_v1[256] = "";
  if (OpenV2(why_v2, sizeof(why_v2))) {
    version_ = 2;
  } else if (OpenV1(why_v1, sizeof(why_v1))) {
    version_ = 1;
  } else {
    std::snprintf(why, why_size, "no cgroup limits: version 2: %s; version 1: %s", why_v2, why_v1);
    Close();
  }
  return version_;
}

bool CgroupBase::OpenV1(char* why, size_t why_size) {
  folder_count_ = 0;
  for (int i = 0; i < CgroupLeaf::kMaxFolders; ++i) {
    char mount_point[1024];
    char own[1024];
    if (!FindMount(kV1Names[i], mount_point, sizeof(mount_point)) ||
        !OwnPath(kV1Names[i], own, sizeof(own))) {
      std::snprintf(why, why_size, "the %s controller is not mounted", kV1Names[i]);
      return false;
    }
    char path[2048];
    std::snprintf(path, sizeof(path), "%s%s", mount_point, own);
    const auto n = static_cast<size_t>(i);
    parents_[n] = OpenFolder(AT_FDCWD, path);
    if (!parents_[n].valid()) {
      std::snprintf(why, why_size, "cannot open %s: errno %d", path, errno);
      return false;
    }
    SweepDead(parents_[n].get());
    // cpu and cpuacct are often one tree: then the second mkdir finds the folder of the first.
    if (::mkdirat(parents_[n].get(), name_.data(), 0755) != 0 &&
        !(errno == EEXIST && i == kCpuacct)) {
      std::snprintf(why, why_size, "cannot create a group in %s: errno %d", path, errno);
      return false;
    }
    folders_[n] = OpenFolder(parents_[n].get(), name_.data());
    if (!folders_[n].valid()) {
      std::snprintf(why, why_size, "cannot open the new group in %s: errno %d", path, errno);
      return false;
    }
    folder_count_ = i + 1;
  }
  return true;
}

bool CgroupBase::OpenV2(char* why, size_t why_size) {
  char mount_point[1024];
  char own[1024];
  if (!FindMount(nullptr, mount_point, sizeof(mount_point)) ||
      !OwnPath(nullptr, own, sizeof(own))) {
    std::snprintf(why, why_size, "not mounted");
    return false;
  }
  // The process's own group first (systemd's Delegate=yes, a container), then the root of the tree,
  // where only root may write.
  char paths[2][2048];
  std::snprintf(paths[0], sizeof(paths[0]), "%s%s", mount_point, own);
  std::snprintf(paths[1], sizeof(paths[1]), "%s", mount_point);
  for (int attempt = 0; attempt < 2; ++attempt) {
    const char* path = paths[attempt];
    base::UniqueFd parent = OpenFolder(AT_FDCWD, path);
    char controllers[1024];
    if (!parent.valid() ||
        ReadFileAt(parent.get(), "cgroup.controllers", controllers, sizeof(controllers)) < 0) {
      std::snprintf(why, why_size, "cannot read %s: errno %d", path, errno);
      continue;
    }
    if (std::strstr(controllers, "memory") == nullptr ||
        std::strstr(controllers, "pids") == nullptr || std::strstr(controllers, "cpu") == nullptr) {
      std::snprintf(why, why_size, "%s does not offer memory, pids and cpu", path);
      continue;
    }
    SweepDead(parent.get());
    if (!WriteText(parent, "cgroup.subtree_control", "+memory +pids +cpu")) {
      // A group with members of its own cannot have children with controllers (EBUSY): when the
      // only members are sandboxd and this launcher, move both one level down.
      if (errno != EBUSY || attempt != 0) {
        std::snprintf(why, why_size, "cannot enable controllers in %s: errno %d", path, errno);
        continue;
      }
      char members[256];
      long first = 0;
      long second = 0;
      long third = 0;
      const bool readable = ReadFileAt(parent.get(), "cgroup.procs", members, sizeof(members)) > 0;
      const int count = readable ? std::sscanf(members, "%ld %ld %ld", &first, &second, &third) : 0;
      const bool ours = count >= 1 && count <= 2 && (first == ::getpid() || first == ::getppid()) &&
                        (count == 1 || second == ::getpid() || second == ::getppid());
      if (!ours || (::mkdirat(parent.get(), "service", 0755) != 0 && errno != EEXIST)) {
        std::snprintf(why, why_size, "%s has other members", path);
        continue;
      }
      const base::UniqueFd service = OpenFolder(parent.get(), "service");
      if (!WriteNumber(service, "cgroup.procs", first) ||
          (count == 2 && !WriteNumber(service, "cgroup.procs", second)) ||
          !WriteText(parent, "cgroup.subtree_control", "+memory +pids +cpu")) {
        std::snprintf(why, why_size, "cannot enable controllers in %s: errno %d", path, errno);
        continue;
      }
    }
    if (::mkdirat(parent.get(), name_.data(), 0755) != 0) {
      std::snprintf(why, why_size, "cannot create a group in %s: errno %d", path, errno);
      continue;
    }
    folders_[0] = OpenFolder(parent.get(), name_.data());
    if (!folders_[0].valid() ||
        !WriteText(folders_[0], "cgroup.subtree_control", "+memory +pids +cpu")) {
      std::snprintf(why, why_size, "cannot enable controllers below %s: errno %d", path, errno);
      ::unlinkat(parent.get(), name_.data(), AT_REMOVEDIR);
      folders_[0].reset();
      continue;
    }
    parents_[0] = std::move(parent);
    folder_count_ = 1;
    return true;
  }
  return false;
}

bool CgroupBase::Create(const char* name) {
  for (int i = 0; i < folder_count_; ++i) {
    if (::mkdirat(folders_[static_cast<size_t>(i)].get(), name, 0755) != 0 &&
        !(errno == EEXIST && i == kCpuacct)) {
      return false;
    }
  }
  return true;
}

bool CgroupBase::OpenLeaf(const char* name, CgroupLeaf* leaf) const {
  for (size_t i = 0; i < static_cast<size_t>(folder_count_); ++i) {
    leaf->folders[i] = OpenFolder(folders_[i].get(), name);
    if (!leaf->folders[i].valid()) {
      return false;
    }
  }
  return true;
}

bool CgroupBase::Remove(const char* name) {
  bool gone = true;
  int error = 0;
  for (size_t i = 0; i < static_cast<size_t>(folder_count_); ++i) {
    if (::unlinkat(folders_[i].get(), name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
      gone = false;
      error = errno;
    }
  }
  errno = error;
  return gone;
}

void CgroupBase::Close() {
  for (size_t i = 0; i < CgroupLeaf::kMaxFolders; ++i) {
    folders_[i].reset();
    if (parents_[i].valid()) {
      ::unlinkat(parents_[i].get(), name_.data(), AT_REMOVEDIR);
      parents_[i].reset();
    }
  }
  folder_count_ = 0;
  version_ = 0;
}

bool CgroupBase::EnterSelf(const CgroupLeaf& leaf) const {
  for (size_t i = 0; i < static_cast<size_t>(folder_count_); ++i) {
    if (!WriteText(leaf.folders[i], "cgroup.procs", "0")) {
      return false;
    }
  }
  return true;
}

bool CgroupBase::SetMemory(const CgroupLeaf& leaf, int64_t bytes) const {
  if (version_ == 2) {
    // Without swap support in the kernel the swap file does not exist, and there is nothing to
    // forbid.
    const bool swap_off = WriteText(leaf.folders[0], "memory.swap.max", "0") || errno == ENOENT;
    return swap_off && WriteText(leaf.folders[0], "memory.oom.group", "1") &&
           WriteNumber(leaf.folders[0], "memory.max", bytes);
  }
  // In this order: memory and swap together may not be below memory alone.
  const base::UniqueFd& memory = leaf.folders[kMemory];
  const bool limited = WriteNumber(memory, "memory.limit_in_bytes", bytes);
  const bool swap_off =
      WriteNumber(memory, "memory.memsw.limit_in_bytes", bytes) || errno == ENOENT;
  // Without this limit they are not counted at all, and a job could fill the bounds that all
  // sockets of the machine share (net.ipv4.tcp_mem, udp_mem). Kernels without IP sockets lack the
  // file.
  const bool sockets =
      WriteNumber(memory, "memory.kmem.tcp.limit_in_bytes", bytes / 4) || errno == ENOENT;
  return limited && swap_off && sockets && WriteText(memory, "memory.swappiness", "0");
}

bool CgroupBase::SetTasks(const CgroupLeaf& leaf, int64_t tasks) const {
  return WriteNumber(leaf.folders[version_ == 2 ? 0 : kPids], "pids.max", tasks);
}

bool CgroupBase::SetCpus(const CgroupLeaf& leaf, int64_t cpus) const {
  constexpr int64_t kPeriodMicros = 100'000;
  if (version_ == 2) {
    return WriteNumber(leaf.folders[0], "cpu.max", cpus * kPeriodMicros);  // the period is 100 ms
  }
  return WriteNumber(leaf.folders[kCpu], "cpu.cfs_period_us", kPeriodMicros) &&
         WriteNumber(leaf.folders[kCpu], "cpu.cfs_quota_us", cpus * kPeriodMicros);
}

void CgroupBase::ResetPeaks(const CgroupLeaf& leaf) const {
  if (version_ == 1) {
    WriteText(leaf.folders[kMemory], "memory.max_usage_in_bytes", "0");
  }
}

int64_t CgroupBase::ReadCpuNanos(const CgroupLeaf& leaf) const {
  if (version_ == 2) {
    return ReadKey(leaf.folders[0], "cpu.stat", "usage_usec") * 1000;
  }
  return ReadNumber(leaf.folders[kCpuacct], "cpuacct.usage");
}

int64_t CgroupBase::ReadOomKills(const CgroupLeaf& leaf) const {
  return version_ == 2 ? ReadKey(leaf.folders[0], "memory.events", "oom_kill")
                       : ReadKey(leaf.folders[kMemory], "memory.oom_control", "oom_kill");
}

bool CgroupBase::Read(const CgroupLeaf& leaf, CgroupUsage* usage) const {
  const base::UniqueFd& memory = leaf.folders[version_ == 2 ? 0 : kMemory];
  const base::UniqueFd& pids = leaf.folders[version_ == 2 ? 0 : kPids];
  usage->cpu_nanos = ReadCpuNanos(leaf);
  usage->memory_peak_bytes =
      ReadNumber(memory, version_ == 2 ? "memory.peak" : "memory.max_usage_in_bytes");
  usage->oom_kills = ReadOomKills(leaf);
  usage->refused_forks = ReadKey(pids, "pids.events", "max");
  usage->tasks_peak = ReadNumber(pids, "pids.peak");
  if (usage->tasks_peak < 0) {
    usage->tasks_peak = 0;  // pids.peak exists since Linux 6.1
  }
  if (usage->memory_peak_bytes < 0) {
    usage->memory_peak_bytes = 0;  // memory.peak exists since Linux 5.19
  }
  return usage->cpu_nanos >= 0 && usage->oom_kills >= 0;
}

void CgroupBase::Kill(const CgroupLeaf& leaf) const {
  if (version_ == 2) {
    WriteText(leaf.folders[0], "cgroup.kill", "1");
  }
}

bool CgroupBase::Populated(const CgroupLeaf& leaf) const {
  if (version_ == 2) {
    return ReadKey(leaf.folders[0], "cgroup.events", "populated") != 0;
  }
  for (size_t i = 0; i < static_cast<size_t>(folder_count_); ++i) {
    char text[64];
    if (ReadFileAt(leaf.folders[i].get(), "cgroup.procs", text, sizeof(text)) != 0) {
      return true;
    }
  }
  return false;
}

}  // namespace linux
