#include "linux/cgroup.h"

#include <dirent.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "linux/cgroup_tree.h"
#include "linux/syscall.h"

namespace linux {
namespace {

// The folders of version 1, in the order of CgroupLeaf::folders.
enum V1 { kMemory = 0, kPids = CgroupLeaf::kTasks, kCpu = 2, kCpuacct = 3 };

constexpr const char* kV1Names[] = {"memory", "pids", "cpu", "cpuacct"};
constexpr char kPrefix[] = "code-sandbox.";
constexpr char kService[] = "service";  // where the service itself is, when it had to make room

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

// The start time of a process in clock ticks (field 22 of proc_pid_stat(5)), -1 when there is none
// or it is dead and only not yet waited for.
long long StartTime(long pid) {
  char path[64];
  char text[1024];
  std::snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
  if (ReadFileAt(AT_FDCWD, path, text, sizeof(text)) <= 0) {
    return -1;
  }
  const char* at = std::strrchr(text, ')');  // the command name may hold anything, also spaces
  if (at != nullptr && (std::strncmp(at, ") Z", 3) == 0 || std::strncmp(at, ") X", 3) == 0)) {
    return -1;
  }
  for (int field = 2; at != nullptr && field < 22; ++field) {
    at = std::strchr(at + 1, ' ');
  }
  return at == nullptr ? -1 : std::strtoll(at, nullptr, 10);
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

// The number that tells this process's pid namespace from others, 0 when unknown.
unsigned long long PidNamespace() {
  char link[64];
  const ssize_t n = ::readlink("/proc/self/ns/pid", link, sizeof(link) - 1);
  link[n > 0 ? n : 0] = '\0';
  const char* number = std::strchr(link, '[');
  return number == nullptr ? 0 : std::strtoull(number + 1, nullptr, 10);
}

// Removes what launchers that are dead have left: kill, then remove leaf by leaf. Live ones are
// untouched, and so are those of other pid namespaces, of which this one cannot tell.
void SweepDead(int parent) {
  ForEachFolder(parent, [&](const char* name) {
    long pid = 0;
    long long start = 0;
    unsigned long long pid_namespace = 0;
    if (std::strncmp(name, kPrefix, sizeof(kPrefix) - 1) != 0 ||
        std::sscanf(name + sizeof(kPrefix) - 1, "%ld.%lld.%llu", &pid, &start, &pid_namespace) !=
            3 ||
        pid_namespace != PidNamespace() || StartTime(pid) == start) {
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

bool EnableControllers(const base::UniqueFd& folder) {
  return WriteText(folder, "cgroup.subtree_control", "+memory +pids +cpu");
}

// Moves members of `from` to `to`: all of them, or only this process and the one that started it.
// Answers 0 when `from` has none left, -1 with errno, or the pid of a member that stays.
int MoveMembers(const base::UniqueFd& from, const base::UniqueFd& to, bool all) {
  int stays = 0;
  // Members may fork meanwhile, and one that is about to end may stay for a moment. Start-up only.
  for (int round = 0; round < 200; ++round) {
    char text[65536];
    const ssize_t size = ReadFileAt(from.get(), "cgroup.procs", text, sizeof(text));
    if (size <= 0) {
      return size == 0 ? 0 : -1;
    }
    stays = 0;
    for (char *save = nullptr, *word = ::strtok_r(text, "\n", &save); word != nullptr;
         word = ::strtok_r(nullptr, "\n", &save)) {
      const int pid = std::atoi(word);
      if (!all && pid != ::getpid() && pid != ::getppid()) {
        stays = pid;
      } else if (!WriteNumber(to, "cgroup.procs", pid)) {
        if (errno != ESRCH) {
          return -1;
        }
        stays = pid;
      }
    }
    if (stays != 0) {
      ::usleep(10'000);
    }
  }
  return stays;
}

}  // namespace

int CgroupBase::Open(char* why, size_t why_size) {
  std::snprintf(name_.data(), name_.size(), "%s%d.%lld.%llu", kPrefix, ::getpid(),
                StartTime(::getpid()), PidNamespace());
  char why_v2[384] = "";
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
    CgroupPlace place{};
    if (!FindCgroup(kV1Names[i], &place)) {
      std::snprintf(why, why_size, "the %s controller is not mounted", kV1Names[i]);
      return false;
    }
    const char* path = place.folder;
    const auto n = static_cast<size_t>(i);
    parents_[n] = OpenFolder(AT_FDCWD, path);
    if (!parents_[n].valid()) {
      std::snprintf(why, why_size, "cannot open %s: %s", path, strerrorname_np(errno));
      return false;
    }
    SweepDead(parents_[n].get());
    // cpu and cpuacct are often one tree: then the second mkdir finds the folder of the first.
    if (::mkdirat(parents_[n].get(), name_.data(), 0755) != 0 &&
        !(errno == EEXIST && i == kCpuacct)) {
      std::snprintf(why, why_size, "cannot create a group in %s: %s", path, strerrorname_np(errno));
      return false;
    }
    folders_[n] = OpenFolder(parents_[n].get(), name_.data());
    if (!folders_[n].valid()) {
      std::snprintf(why, why_size, "cannot open the new group in %s: %s", path,
                    strerrorname_np(errno));
      return false;
    }
    folder_count_ = i + 1;
  }
  return true;
}

bool CgroupBase::OpenV2(char* why, size_t why_size) {
  CgroupPlace place{};
  if (!FindCgroup(nullptr, &place)) {
    std::snprintf(why, why_size, "not mounted");
    return false;
  }
  // The process's own group first: systemd's Delegate=yes, or a container's. Then the top of the
  // tree, where only root may write.
  if (OpenV2At(place.folder, true, place.at_top, why, why_size)) {
    return true;
  }
  if (place.at_top) {
    return false;
  }
  size_t used = std::strlen(why);
  std::snprintf(why + used, why_size - used, ", and ");
  used = std::strlen(why);
  return OpenV2At(place.mount, false, true, why + used, why_size - used);
}

// `own`: the group may be the one that this process is in. `top`: all that this process sees of the
// tree lies below it.
bool CgroupBase::OpenV2At(const char* path, bool own, bool top, char* why, size_t why_size) {
  parents_[0] = OpenFolder(AT_FDCWD, path);
  const base::UniqueFd& parent = parents_[0];
  char controllers[1024];
  if (!parent.valid() ||
      ReadFileAt(parent.get(), "cgroup.controllers", controllers, sizeof(controllers)) < 0) {
    std::snprintf(why, why_size, "cannot read %s: %s", path, strerrorname_np(errno));
    return false;
  }
  if (std::strstr(controllers, "memory") == nullptr ||
      std::strstr(controllers, "pids") == nullptr || std::strstr(controllers, "cpu") == nullptr) {
    std::snprintf(why, why_size, "%s does not offer memory, pids and cpu", path);
    return false;
  }
  SweepDead(parent.get());
  bool enabled = EnableControllers(parent);
  if (!enabled && errno == EBUSY && own) {
    // A group with members cannot have children with controllers. Those that belong to this service
    // are moved one level down; in a container, whose top this is, so are all others.
    service_ = ::mkdirat(parent.get(), kService, 0755) == 0 || errno == EEXIST;
    const base::UniqueFd service = OpenFolder(parent.get(), kService);
    const int stays = MoveMembers(parent, service, top);
    if (stays > 0) {
      char name[64] = "?";
      char comm[64];
      std::snprintf(comm, sizeof(comm), "/proc/%d/comm", stays);
      const ssize_t length = ReadFileAt(AT_FDCWD, comm, name, sizeof(name));
      name[length > 0 ? length - 1 : 1] = '\0';
      std::snprintf(why, why_size, "%s has members beside this service, such as %d (%s)", path,
                    stays, name);
      Close();
      return false;
    }
    enabled = stays == 0 && EnableControllers(parent);
  }
  if (!enabled) {
    const int error = errno;
    std::snprintf(why, why_size,
                  error == EBUSY ? "%s has members beside this service (%s)"
                                 : "%s is not delegated to this service (%s)",
                  path, strerrorname_np(error));
    Close();
    return false;
  }
  if (::mkdirat(parent.get(), name_.data(), 0755) != 0) {
    std::snprintf(why, why_size, "cannot create a group in %s: %s", path, strerrorname_np(errno));
    Close();
    return false;
  }
  folders_[0] = OpenFolder(parent.get(), name_.data());
  if (!folders_[0].valid() || !EnableControllers(folders_[0])) {
    std::snprintf(why, why_size, "cannot enable controllers below %s: %s", path,
                  strerrorname_np(errno));
    Close();
    return false;
  }
  folder_count_ = 1;
  return true;
}

// Takes back what OpenV2At did to make room, so that the group can have members again and its owner
// can remove it.
void CgroupBase::LeaveService() {
  const base::UniqueFd& parent = parents_[0];
  const base::UniqueFd service = OpenFolder(parent.get(), kService);
  if (service.valid() && WriteText(parent, "cgroup.subtree_control", "-cpu -pids -memory")) {
    MoveMembers(service, parent, true);
    // Processes that are ending count until they are gone; sandboxd may be one.
    for (int i = 0;
         i < 100 && ::unlinkat(parent.get(), kService, AT_REMOVEDIR) != 0 && errno == EBUSY; ++i) {
      ::usleep(10'000);
    }
  }
  service_ = false;
}

bool CgroupBase::Create(const char* name, CgroupLeaf* leaf) const {
  for (size_t i = 0; i < static_cast<size_t>(folder_count_); ++i) {
    if (!leaf->folders[i].valid() && ::mkdirat(folders_[i].get(), name, 0755) != 0 &&
        !(errno == EEXIST && i == kCpuacct)) {
      return false;
    }
  }
  return OpenLeaf(name, leaf);
}

bool CgroupBase::OpenLeaf(const char* name, CgroupLeaf* leaf) const {
  for (size_t i = 0; i < static_cast<size_t>(folder_count_); ++i) {
    if (!leaf->folders[i].valid()) {
      leaf->folders[i] = OpenFolder(folders_[i].get(), name);
    }
    if (!leaf->folders[i].valid()) {
      return false;
    }
  }
  return true;
}

bool CgroupBase::Renew(const char* name, CgroupLeaf* leaf) const {
  constexpr int64_t kKeptMemory = 1 << 20;
  constexpr int64_t kFewTasks = 2;  // what every sandbox has: pid 1 and a process
  const int64_t memory =
      version_ == 1 ? ReadNumber(leaf->folders[kMemory], "memory.usage_in_bytes") : -1;
  if (memory < 0 || memory > kKeptMemory || ReadOomKills(*leaf) != 0 || Populated(*leaf)) {
    return false;
  }
  base::UniqueFd& pids = leaf->folders[kPids];
  const int64_t peak = ReadNumber(pids, "pids.peak");  // cannot be set back
  if (peak < 0 || peak > kFewTasks || ReadKey(pids, "pids.events", "max") != 0) {
    pids.reset();
    return ::unlinkat(folders_[kPids].get(), name, AT_REMOVEDIR) == 0;
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
      if (service_) {
        LeaveService();
      }
      parents_[i].reset();
    }
  }
  folder_count_ = 0;
  version_ = 0;
}

bool CgroupBase::EnterSelf(const CgroupLeaf& leaf) const {
  for (size_t i = 0; i < static_cast<size_t>(folder_count_); ++i) {
    if (!WriteText(leaf.folders[i], enter_file(), "0")) {
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
  // Memory and swap together may not be below memory alone at any moment (EINVAL): what comes first
  // depends on what was there before.
  const base::UniqueFd& memory = leaf.folders[kMemory];
  const auto limit = [&] { return WriteNumber(memory, "memory.limit_in_bytes", bytes); };
  const auto no_swap = [&] {
    return WriteNumber(memory, "memory.memsw.limit_in_bytes", bytes) || errno == ENOENT;
  };
  const bool limited = limit() ? no_swap() : errno == EINVAL && no_swap() && limit();
  // Without this limit they are not counted at all, and a job could fill the bounds that all
  // sockets of the machine share (net.ipv4.tcp_mem, udp_mem). Kernels without IP sockets lack the
  // file.
  const bool sockets =
      WriteNumber(memory, "memory.kmem.tcp.limit_in_bytes", bytes / 4) || errno == ENOENT;
  return limited && sockets && WriteText(memory, "memory.swappiness", "0");
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

int64_t CgroupBase::ReadTasks(const CgroupLeaf& leaf) const {
  return ReadNumber(leaf.folders[version_ == 2 ? 0 : kPids], "pids.current");
}

int64_t CgroupBase::ReadMemoryPeak(const CgroupLeaf& leaf) const {
  return version_ == 2 ? ReadNumber(leaf.folders[0], "memory.peak")
                       : ReadNumber(leaf.folders[kMemory], "memory.max_usage_in_bytes");
}

CgroupNow CgroupBase::ReadNow(const CgroupLeaf& leaf) const {
  const base::UniqueFd& memory = leaf.folders[version_ == 2 ? 0 : kMemory];
  CgroupNow now;
  now.cpu_nanos = ReadCpuNanos(leaf);
  now.memory_bytes = ReadNumber(memory, version_ == 2 ? "memory.current" : "memory.usage_in_bytes");
  now.memory_peak_bytes = ReadMemoryPeak(leaf);
  now.tasks = ReadTasks(leaf);
  return now;
}

bool CgroupBase::Read(const CgroupLeaf& leaf, CgroupUsage* usage) const {
  const base::UniqueFd& pids = leaf.folders[version_ == 2 ? 0 : kPids];
  usage->cpu_nanos = ReadCpuNanos(leaf);
  usage->memory_peak_bytes = ReadMemoryPeak(leaf);
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
