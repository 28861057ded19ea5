#include "docker/supervisor/launch.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>

#include "linux/confine.h"
#include "linux/syscall.h"

namespace docker::supervisor {
namespace {

using sandbox::wire::Step;

// Jobs of one shared user count together: the kernel's limit only has to stop a flood, the
// supervisor's count is the limit.
constexpr int64_t kSharedUserHeadroom = 8;

[[noreturn]] void Fail(const Launch& launch, Step step) {
  const StepError report{step, errno};
  linux::WriteAll(launch.error_fd, &report, sizeof(report));
  ::_exit(127);
}

bool SetLimits(const Launch& launch) {
  const wire::JobHeader& h = launch.job->header;
  const auto number = [](int64_t n) { return static_cast<rlim_t>(n); };
  const int64_t tasks = launch.identity->own_uid
                            ? h.processes
                            : launch.tasks_at_start + h.processes * kSharedUserHeadroom;
  return linux::LimitTo(RLIMIT_NOFILE, number(h.open_files)) &&
         linux::LimitTo(RLIMIT_FSIZE, number(h.file_bytes)) &&
         linux::LimitTo(RLIMIT_STACK, rlim_t{64} << 20) &&
         linux::LimitTo(RLIMIT_MEMLOCK, rlim_t{8} << 20) && linux::LimitTo(RLIMIT_MSGQUEUE, 0) &&
         linux::LimitTo(RLIMIT_SIGPENDING, 256) && linux::LimitTo(RLIMIT_RTPRIO, 0) &&
         linux::LimitTo(RLIMIT_NICE, 0) &&
         // Not 0: a core handler of the host that is a pipe ignores every limit but 1.
         linux::LimitTo(RLIMIT_CORE, 1) &&
         (h.cpu_time == 0 || linux::LimitTo(RLIMIT_CPU, number(h.cpu_time / 1'000'000'000 + 2))) &&
         // What bounds memory is the supervisor's count; this catches who outruns it.
         linux::LimitTo(RLIMIT_DATA, number(h.memory_bytes * 4 + (int64_t{1} << 30))) &&
         linux::LimitTo(RLIMIT_NPROC, number(tasks));
}

// Where the job's user is also ours, it may signal us: this filter forbids exactly that. Signals to
// all at once (-1) too, because we are among them; and to become the owner of a descriptor's
// signals is as good as to send one.
bool ProtectFromSignals(pid_t supervisor) {
  const auto statement = [](unsigned code, unsigned k) {
    return sock_filter{static_cast<uint16_t>(code), 0, 0, k};
  };
  const auto jump = [](unsigned code, unsigned k, unsigned yes, unsigned no) {
    return sock_filter{static_cast<uint16_t>(code), static_cast<uint8_t>(yes),
                       static_cast<uint8_t>(no), k};
  };
  constexpr unsigned kLoad = BPF_LD | BPF_W | BPF_ABS;
  constexpr unsigned kEqual = BPF_JMP | BPF_JEQ | BPF_K;
  const auto pid = static_cast<unsigned>(supervisor);
  std::array<sock_filter, 21> program = {
      statement(kLoad, offsetof(seccomp_data, nr)),
      jump(kEqual, SYS_kill, 10, 0),
      jump(kEqual, SYS_tgkill, 9, 0),
      jump(kEqual, SYS_tkill, 8, 0),
      jump(kEqual, SYS_rt_sigqueueinfo, 7, 0),
      jump(kEqual, SYS_rt_tgsigqueueinfo, 6, 0),
      jump(kEqual, SYS_pidfd_open, 5, 0),
      jump(kEqual, SYS_prlimit64, 4, 0),
      jump(kEqual, SYS_setpgid, 3, 0),
      jump(kEqual, SYS_sched_setaffinity, 2, 0),
      jump(kEqual, SYS_fcntl, 5, 0),
      statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      // args[0], its low half: what the kernel takes as the pid.
      statement(kLoad, offsetof(seccomp_data, args)),
      jump(kEqual, pid, 6, 0),
      jump(kEqual, static_cast<unsigned>(-supervisor), 5, 0),
      jump(kEqual, static_cast<unsigned>(-1), 4, 3),
      // args[1], its low half: fcntl's command.
      statement(kLoad, offsetof(seccomp_data, args) + sizeof(uint64_t)),
      jump(kEqual, F_SETOWN, 2, 0),
      jump(kEqual, F_SETOWN_EX, 1, 0),
      statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
  };
  const sock_fprog filter{static_cast<uint16_t>(program.size()), program.data()};
  return linux::LoadSeccomp(filter);
}

// "/box/x" becomes "<box>/x".
std::string Replace(const std::string& value, const char* from, const std::string& to) {
  const size_t size = std::strlen(from);
  if (value.compare(0, size, from) != 0 || (value.size() > size && value[size] != '/')) {
    return value;
  }
  return to + value.substr(size);
}

// Everything at the top of the container's root but what holds other jobs' files.
std::vector<std::string> SystemFolders(const std::string& root) {
  const std::string jobs = root.substr(0, root.find('/', 1));
  std::vector<std::string> out;
  DIR* dir = ::opendir("/");
  if (dir == nullptr) {
    return out;
  }
  while (const dirent* entry = ::readdir(dir)) {  // NOLINT(concurrency-mt-unsafe): one thread
    const std::string name = std::string("/") + entry->d_name;
    bool skip = name == jobs || name == "/." || name == "/..";
    for (const char* other : {"/proc", "/dev", "/sys", "/tmp", "/run", "/box"}) {
      skip = skip || name == other;
    }
    if (!skip) {
      out.push_back(name);
    }
  }
  ::closedir(dir);
  return out;
}

}  // namespace

void PrepareLaunch(const std::string& box, const std::string& tmp, Launch* launch) {
  const Job& job = *launch->job;
  launch->strings.reserve(job.argv.size() + job.env.size());  // so that nothing moves
  for (const std::string& arg : job.argv) {
    launch->strings.push_back(arg);
    launch->argv.push_back(launch->strings.back().data());
  }
  for (const std::string& text : job.env) {
    const size_t equals = text.find('=');
    std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
    if (!launch->trusted) {
      value = value.compare(0, 4, "/box") == 0 ? Replace(value, "/box", box)
                                               : Replace(value, "/tmp", tmp);
    }
    launch->strings.push_back(text.substr(0, equals) + "=" + value);
    launch->envp.push_back(launch->strings.back().data());
  }
  launch->argv.push_back(nullptr);
  launch->envp.push_back(nullptr);
  launch->folder = box;
  launch->read_only = SystemFolders(job.root);
  if (!job.cache.empty()) {
    launch->read_only.push_back(job.cache);
  }
  launch->writable = {box, tmp, "/dev/shm"};
  // Where the folders of other jobs lie in /tmp and belong to the same user, nothing else keeps
  // this job out of them; the environment names a /tmp of its own.
  if (launch->identity->own_uid || job.root.rfind("/tmp/", 0) != 0) {
    launch->writable.emplace_back("/tmp");
  }
}

void LaunchProgram(const Launch& launch) {
  sigset_t none;
  ::sigemptyset(&none);
  for (int signal = 1; signal < NSIG; ++signal) {
    if (signal != SIGKILL && signal != SIGSTOP) {
      ::signal(signal, SIG_DFL);  // the two that glibc keeps for itself refuse, and stay default
    }
  }
  // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
  if (::sigprocmask(SIG_SETMASK, &none, nullptr) != 0 || ::setsid() < 0) {
    Fail(launch, Step::kSession);
  }
  const pid_t supervisor = ::getppid();
  if (::chdir(launch.folder.c_str()) != 0) {
    Fail(launch, Step::kBoxFd);
  }
  if (::dup2(launch.stdin_fd, 0) != 0 || ::dup2(launch.stdout_fd, 1) != 1 ||
      ::dup2(launch.stderr_fd, 2) != 2) {
    Fail(launch, Step::kStdio);
  }
  if (launch.terminal && ::ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0) {
    Fail(launch, Step::kTerminal);
  }
  const auto pipe = static_cast<unsigned>(launch.error_fd);
  if (linux::CloseRange(3, pipe - 1, 0) != 0 || linux::CloseRange(pipe + 1, ~0U, 0) != 0) {
    Fail(launch, Step::kCloseFds);
  }
  // What it makes in places that jobs share is for its own user.
  ::umask(launch.trusted ? 022 : 077);
  if (launch.trusted) {
    ::execve(launch.argv[0], launch.argv.data(), launch.envp.data());
    Fail(launch, Step::kExec);
  }
  // However many processes it makes, the supervisor gets a turn among them to count and kill.
  constexpr int kLast = 19;
  if (!SetLimits(launch) || ::setpriority(PRIO_PROCESS, 0, kLast) != 0) {
    Fail(launch, Step::kRlimits);
  }
  if (launch.identity->own_uid) {
    const uid_t uid = launch.identity->uid;
    // Without CAP_SETPCAP it stays, and is of no use: nothing gains privileges by being executed.
    if (!linux::DropBoundingSet() && errno != EPERM) {
      Fail(launch, Step::kCapabilities);
    }
    if (::setgroups(0, nullptr) != 0 || ::setresgid(uid, uid, uid) != 0 ||
        ::setresuid(uid, uid, uid) != 0) {
      Fail(launch, Step::kUser);
    }
  }
  if (!linux::DropCapabilities()) {
    Fail(launch, Step::kCapabilities);
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    Fail(launch, Step::kNoNewPrivileges);
  }
  if (launch.landlock_abi > 0) {
    std::array<const char*, 64> read_only{};
    std::array<const char*, 8> writable{};
    std::array<const char*, 3> devices{};
    for (size_t i = 0; i < launch.read_only.size() && i + 1 < read_only.size(); ++i) {
      read_only[i] = launch.read_only[i].c_str();
    }
    for (size_t i = 0; i < launch.writable.size() && i + 1 < writable.size(); ++i) {
      writable[i] = launch.writable[i].c_str();
    }
    for (size_t i = 0; i < launch.devices.size() && i + 1 < devices.size(); ++i) {
      devices[i] = launch.devices[i].c_str();
    }
    if (!linux::RestrictWithLandlock(launch.landlock_abi, read_only.data(), writable.data(),
                                     devices.data())) {
      Fail(launch, Step::kLandlock);
    }
  }
  if (!launch.identity->own_uid && !ProtectFromSignals(supervisor)) {
    Fail(launch, Step::kSeccomp);
  }
  const sock_fprog filter{static_cast<uint16_t>(launch.job->header.filter),
                          const_cast<sock_filter*>(launch.job->filter.data())};
  if (!linux::LoadSeccomp(filter)) {
    Fail(launch, Step::kSeccomp);
  }
  ::execve(launch.argv[0], launch.argv.data(), launch.envp.data());
  Fail(launch, Step::kExec);
}

}  // namespace docker::supervisor
