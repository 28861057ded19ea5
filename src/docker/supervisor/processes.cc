#include "docker/supervisor/processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>

#include "linux/syscall.h"

namespace docker::supervisor {
namespace {

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  bool dead = false;  // a zombie
  int64_t threads = 0;
  int64_t ticks = 0;
};

// The process's line in /proc/<pid>/stat. Its name may hold anything: what follows the last ')'
// counts.
bool ReadStat(int proc, pid_t pid, Process* process) {
  char name[64];
  char text[1024];
  std::snprintf(name, sizeof(name), "%d/stat", pid);
  if (linux::ReadFileAt(proc, name, text, sizeof(text)) <= 0) {
    return false;
  }
  const char* at = std::strrchr(text, ')');
  char state = 0;
  int parent = 0;
  long long user = 0;
  long long system = 0;
  long long user_children = 0;
  long long system_children = 0;
  long long threads = 0;
  // NOLINTNEXTLINE(cert-err34-c): the kernel writes numbers
  if (at == nullptr || std::sscanf(at + 1,
                                   " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld %lld %lld "
                                   "%*d %*d %lld",
                                   &state, &parent, &user, &system, &user_children,
                                   &system_children, &threads) != 7) {
    return false;
  }
  *process = {pid, parent, state == 'Z' || state == 'X', threads,
              user + system + user_children + system_children};
  return true;
}

// How many seccomp filters a process has, from /proc/<pid>/status.
int64_t Filters(const char* status) {
  const char* at = std::strstr(status, "\nSeccomp_filters:");
  return at == nullptr ? -1 : std::strtoll(at + 17, nullptr, 10);
}

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

template <typename Visit>
void ForEachPid(Visit visit) {
  const std::unique_ptr<DIR, CloseDir> dir(::opendir("/proc"));
  if (!dir) {
    return;
  }
  while (const dirent* entry = ::readdir(dir.get())) {  // NOLINT(concurrency-mt-unsafe): one thread
    char* end = nullptr;
    const long pid = std::strtol(entry->d_name, &end, 10);
    if (end != entry->d_name && *end == '\0' && pid > 0) {
      visit(::dirfd(dir.get()), static_cast<pid_t>(pid));
    }
  }
}

std::vector<Process> List(const Family& family) {
  std::vector<Process> all;
  ForEachPid([&](int proc, pid_t pid) {
    Process process;
    if (ReadStat(proc, pid, &process)) {
      all.push_back(process);
    }
  });
  std::vector<Process> mine;
  std::vector<pid_t> parents = {family.supervisor};
  // Breadth first over the parent links.
  for (size_t i = 0; i < parents.size(); ++i) {
    for (const Process& process : all) {
      if (process.parent == parents[i] && process.pid != family.supervisor) {
        mine.push_back(process);
        parents.push_back(process.pid);
      }
    }
  }
  return mine;
}

// Resident memory that is not shared, from statm; shared pages are told apart by `exact`.
int64_t Memory(int proc, pid_t pid, bool exact) {
  char name[64];
  char text[4096];
  if (exact) {
    std::snprintf(name, sizeof(name), "%d/smaps_rollup", pid);
    if (linux::ReadFileAt(proc, name, text, sizeof(text)) > 0) {
      const char* at = std::strstr(text, "\nPss:");
      if (at != nullptr) {
        return std::strtoll(at + 5, nullptr, 10) * 1024;
      }
    }
  }
  std::snprintf(name, sizeof(name), "%d/statm", pid);
  long long resident = 0;
  if (linux::ReadFileAt(proc, name, text, sizeof(text)) <= 0 ||
      std::sscanf(text, "%*d %lld", &resident) != 1) {  // NOLINT(cert-err34-c): the kernel's number
    return 0;
  }
  return resident * ::sysconf(_SC_PAGESIZE);
}

// Takes in every child that has died.
void Reap(pid_t main_pid, int* main_status) {
  int status = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid == main_pid && main_status != nullptr) {
      *main_status = status;
    }
  }
}

// What runs as the user may stop the process below as well: until that has killed it, it is told to
// go on. With the user's effective id we may do so even without CAP_KILL.
void Resume(pid_t pid, uid_t uid) {
  const uid_t own = ::geteuid();
  if (::seteuid(uid) == 0) {
    ::kill(pid, SIGCONT);
    if (::seteuid(own) != 0) {
      ::_exit(1);  // nothing that comes later could be trusted
    }
  }
}

// From a process of the user itself, kill(-1) reaches all of its processes at once, also those that
// are being born.
void KillAsUser(uid_t uid) {
  const pid_t helper = ::fork();
  if (helper == 0) {
    if (::setresuid(uid, uid, uid) == 0 && ::getuid() == uid && uid != 0) {
      ::kill(-1, SIGKILL);
    }
    ::_exit(0);
  }
  int status = 0;
  // kill(-1) spares its caller, which so comes to its end.
  while (helper > 0 && ::waitpid(helper, &status, WUNTRACED) == helper && WIFSTOPPED(status)) {
    Resume(helper, uid);
  }
}

void Pause(int milliseconds) {
  ::poll(nullptr, 0, milliseconds);
}

}  // namespace

int64_t Now() {
  timespec ts{};
  ::clock_gettime(CLOCK_MONOTONIC, &ts);
  return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

std::vector<pid_t> Descendants(const Family& family) {
  std::vector<pid_t> out;
  for (const Process& process : List(family)) {
    if (!process.dead) {
      out.push_back(process.pid);
    }
  }
  return out;
}

Tally Measure(const Family& family, bool exact) {
  static const int64_t kTick = 1'000'000'000 / std::max(1L, ::sysconf(_SC_CLK_TCK));
  const base::UniqueFd proc(::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
  Tally tally;
  // The kernel shows the maps of a process to its own user; a thread of root may pass for one.
  if (exact && family.own_uid) {
    ::setfsuid(family.uid);
  }
  for (const Process& process : List(family)) {
    tally.cpu_nanos += process.ticks * kTick;
    if (!process.dead) {
      tally.tasks += process.threads;
      tally.processes += 1;
      tally.memory_bytes += Memory(proc.get(), process.pid, exact);
    }
  }
  if (exact && family.own_uid) {
    ::setfsuid(::geteuid());
  }
  return tally;
}

std::vector<pid_t> ProcessesOf(uid_t uid, bool jobs_only) {
  std::vector<pid_t> out;
  char own[4096];
  const bool known = linux::ReadFileAt(AT_FDCWD, "/proc/self/status", own, sizeof(own)) > 0;
  const int64_t own_filters = known ? Filters(own) : -1;
  ForEachPid([&](int proc, pid_t pid) {
    char name[32];
    struct stat info {};

    Process process;
    std::snprintf(name, sizeof(name), "%d", pid);
    // The folder of a process that is not dumpable belongs to root: its status tells the truth.
    char text[4096];
    char status[48];
    std::snprintf(status, sizeof(status), "%d/status", pid);
    if (pid == 1 || pid == ::getpid() || ::fstatat(proc, name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        !ReadStat(proc, pid, &process) || process.dead ||
        linux::ReadFileAt(proc, status, text, sizeof(text)) <= 0) {
      return;
    }
    const char* at = std::strstr(text, "\nUid:");
    if (at != nullptr && std::strtoul(at + 5, nullptr, 10) == uid &&
        (!jobs_only || Filters(text) > own_filters)) {
      out.push_back(pid);
    }
  });
  return out;
}

bool KillAll(const Family& family, int64_t deadline, pid_t main_pid, int* main_status) {
  for (int round = 0;; ++round) {
    if (family.alone) {
      ::kill(-1, SIGKILL);
    } else if (family.own_uid) {
      KillAsUser(family.uid);
    }
    const std::vector<pid_t> left = Descendants(family);
    for (const pid_t pid : left) {
      ::kill(pid, SIGKILL);
    }
    Reap(main_pid, main_status);
    if (left.empty() && (!family.own_uid || ProcessesOf(family.uid).empty()) &&
        Descendants(family).empty()) {
      Reap(main_pid, main_status);
      return true;
    }
    if (Now() >= deadline) {
      return false;
    }
    Pause(round < 10 ? 0 : 2);
  }
}

bool KillJobsOf(uid_t uid, int64_t deadline) {
  for (;;) {
    const std::vector<pid_t> left = ProcessesOf(uid, true);
    if (left.empty()) {
      return true;
    }
    if (Now() >= deadline) {
      return false;
    }
    for (const pid_t pid : left) {
      ::kill(pid, SIGKILL);
    }
    Reap(0, nullptr);
  }
}

bool KillUser(uid_t uid, int64_t deadline) {
  while (!ProcessesOf(uid).empty()) {
    if (Now() >= deadline) {
      return false;
    }
    KillAsUser(uid);
    Reap(0, nullptr);
    Pause(1);
  }
  return true;
}

}  // namespace docker::supervisor
