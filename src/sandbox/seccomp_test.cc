// The shipped seccomp policies: every rule of every file is tried in the compiled program, allowed
// and not, against a second opinion; a sample is tried on the running kernel.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <functional>
#include <initializer_list>
#include <random>
#include <set>

#include "linux/confine.h"
#include "sandbox/policy.h"
#include "sandbox/seccomp_test_base.h"

namespace sandbox {
namespace {

// Of arguments, as the kernel sees them.
using Values = std::initializer_list<uint64_t>;

using testing::Interpret;
using testing::Policy;
using testing::ReadProgram;

constexpr uint32_t kEnosys = SECCOMP_RET_ERRNO | ENOSYS;
constexpr uint64_t kGarbage = 0xDEADBEEF00000000;

std::string FileOf(const std::string& name) {
  return std::string(SOURCE_DIR) + "/config/seccomp/" + name + ".toml";
}

seccomp_data Call(uint32_t number) {
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = AUDIT_ARCH_X86_64;
  return data;
}

// A call of `rule` with exactly the arguments that it names.
seccomp_data Matching(const Policy::Rule& rule, uint32_t number) {
  seccomp_data data = Call(number);
  for (const Policy::Arg& arg : rule.args) {
    data.args[arg.index] = arg.value;
  }
  return data;
}

class SeccompTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ASSERT_FALSE(Policy::Numbers().empty()) << "the kernel's headers are missing";
    policy_ = Policy::Read(FileOf(GetParam()));
    auto filter = CompileFilter(FileOf(GetParam()));
    ASSERT_TRUE(filter) << filter.error().message;
    program_ = ReadProgram(filter->get());
    ASSERT_FALSE(program_.empty());
    ASSERT_LE(program_.size(), size_t{BPF_MAXINSNS});
  }

  uint32_t Run(const seccomp_data& data) const {
    const auto verdict = Interpret(program_, data);
    EXPECT_TRUE(verdict) << "the kernel would refuse this program";
    return verdict.value_or(0);
  }

  Policy policy_;
  std::vector<sock_filter> program_;
};

TEST_P(SeccompTest, EveryRuleIsGrantedToItsCallsAndNoBitMore) {
  for (const Policy::Rule& rule : policy_.rules) {
    ASSERT_FALSE(rule.reason.empty());
    for (const uint32_t number : rule.calls) {
      const seccomp_data wanted = Matching(rule, number);
      EXPECT_EQ(Run(wanted), rule.action) << rule.reason << ", call " << number;
      seccomp_data garbage = wanted;
      for (auto& arg : garbage.args) {
        arg |= kGarbage;
      }
      EXPECT_EQ(Run(garbage), rule.action) << "upper halves count: " << rule.reason;
      for (const Policy::Arg& arg : rule.args) {
        for (unsigned bit = 0; bit < 32; ++bit) {
          seccomp_data other = wanted;
          other.args[arg.index] ^= uint64_t{1} << bit;
          const bool counts = (arg.mask >> bit & 1) != 0;
          EXPECT_EQ(Run(other), policy_.Decide(other)) << rule.reason << ", bit " << bit;
          EXPECT_TRUE(!counts || !Policy::Holds(rule, other));
          other.args[arg.index] |= kGarbage;
          EXPECT_EQ(Run(other), policy_.Decide(other)) << rule.reason << ", bit " << bit;
        }
      }
    }
  }
}

// Exact values: what a rule about arguments admits, a neighbour of another rule may admit as well,
// but a value that no rule names gets the default.
TEST_P(SeccompTest, ArgumentsThatNoRuleNamesGetTheDefault) {
  for (const Policy::Rule& rule : policy_.rules) {
    for (const uint32_t number : rule.calls) {
      if (rule.args.empty()) {
        continue;
      }
      seccomp_data data = Matching(rule, number);
      for (const Policy::Arg& arg : rule.args) {
        data.args[arg.index] = ~uint64_t{arg.value} & arg.mask;
      }
      if (policy_.Decide(data) == policy_.fallback) {
        EXPECT_EQ(Run(data), policy_.fallback) << rule.reason;
      }
      EXPECT_EQ(Run(data), policy_.Decide(data)) << rule.reason;
    }
  }
}

TEST_P(SeccompTest, NumbersThatNoRuleNamesGetTheDefault) {
  std::set<uint32_t> named;
  for (const Policy::Rule& rule : policy_.rules) {
    named.insert(rule.calls.begin(), rule.calls.end());
  }
  int others = 0;
  for (uint32_t number = 0; number <= 600; ++number) {
    if (named.count(number) == 0) {
      EXPECT_EQ(Run(Call(number)), policy_.fallback) << number;
      ++others;
    }
  }
  EXPECT_GT(others, 300);
}

TEST_P(SeccompTest, NoCallHasTwoActions) {
  std::map<uint32_t, uint32_t> actions;
  std::set<std::string> without_args;
  for (const Policy::Rule& rule : policy_.rules) {
    for (const uint32_t number : rule.calls) {
      EXPECT_EQ(actions.try_emplace(number, rule.action).first->second, rule.action) << number;
    }
    if (rule.args.empty()) {
      for (const std::string& name : rule.names) {
        EXPECT_TRUE(without_args.insert(name).second) << name << " is listed twice";
      }
    }
  }
  // A rule about arguments is void beside one without.
  for (const Policy::Rule& rule : policy_.rules) {
    for (const std::string& name : rule.names) {
      EXPECT_TRUE(rule.args.empty() || without_args.count(name) == 0) << name;
    }
  }
}

TEST_P(SeccompTest, ForeignArchitecturesAndX32AreKilled) {
  for (const uint32_t arch : {uint32_t{AUDIT_ARCH_I386}, uint32_t{AUDIT_ARCH_AARCH64}, 0U}) {
    for (uint32_t number = 0; number <= 600; ++number) {
      seccomp_data data = Call(number);
      data.arch = arch;
      ASSERT_EQ(Run(data), SECCOMP_RET_KILL_PROCESS);
    }
  }
  for (uint32_t number = 0; number <= 600; ++number) {
    ASSERT_EQ(Run(Call(0x40000000 | number)), SECCOMP_RET_KILL_PROCESS);
  }
}

TEST_P(SeccompTest, RandomCallsGetWhatThePolicySays) {
  std::mt19937_64 random(20260102);  // NOLINT: the same numbers every time
  for (int i = 0; i < 200'000; ++i) {
    seccomp_data data = Call(static_cast<uint32_t>(random() % 470));
    for (auto& arg : data.args) {
      // Small numbers and single bits are what rules are about.
      const uint64_t kind = random() % 4;
      arg = kind == 0 ? random() % 64 : kind == 1 ? uint64_t{1} << random() % 64 : random();
      arg |= kind == 3 ? kGarbage : 0;
    }
    ASSERT_EQ(Run(data), policy_.Decide(data)) << data.nr;
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, SeccompTest,
                         ::testing::Values("run", "compile", "init", "service"),
                         [](const auto& tested) { return std::string(tested.param); });

// What no program may ever be given, whoever edits the files.
TEST(SeccompPolicy, NeverGrantsTheDangerousCalls) {
  for (const char* name : {"run", "compile"}) {
    const Policy policy = Policy::Read(FileOf(name));
    for (const char* call : {"bpf",
                             "io_uring_setup",
                             "io_uring_enter",
                             "io_uring_register",
                             "userfaultfd",
                             "add_key",
                             "request_key",
                             "keyctl",
                             "ptrace",
                             "process_vm_readv",
                             "process_vm_writev",
                             "pidfd_getfd",
                             "kcmp",
                             "process_madvise",
                             "clone3",
                             "unshare",
                             "setns",
                             "mount",
                             "umount2",
                             "pivot_root",
                             "chroot",
                             "open_tree",
                             "move_mount",
                             "fsopen",
                             "fsconfig",
                             "fsmount",
                             "fspick",
                             "mount_setattr",
                             "perf_event_open",
                             "kexec_load",
                             "kexec_file_load",
                             "init_module",
                             "finit_module",
                             "delete_module",
                             "reboot",
                             "swapon",
                             "swapoff",
                             "acct",
                             "quotactl",
                             "syslog",
                             "settimeofday",
                             "clock_settime",
                             "adjtimex",
                             "iopl",
                             "ioperm",
                             "open_by_handle_at",
                             "name_to_handle_at",
                             "memfd_secret",
                             "vmsplice",
                             "seccomp",
                             "modify_ldt",
                             "remap_file_pages",
                             "fanotify_init",
                             "landlock_create_ruleset",
                             "shmget",
                             "msgget",
                             "semget",
                             "mq_open",
                             "mknod",
                             "mknodat",
                             "setuid",
                             "setgid",
                             "setresuid"}) {
      const auto number = Policy::Numbers().find(call);
      ASSERT_NE(number, Policy::Numbers().end()) << call;
      EXPECT_NE(policy.Decide(Call(number->second)), SECCOMP_RET_ALLOW) << name << ": " << call;
    }
    seccomp_data data = Call(SYS_clone);
    for (const uint64_t flag : Values{CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                      CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET}) {
      data.args[0] = flag | SIGCHLD;
      EXPECT_EQ(policy.Decide(data), kEnosys) << name << ": clone with " << flag;
    }
    data = Call(SYS_ioctl);
    for (const uint64_t request : Values{TIOCSTI, TIOCLINUX, TIOCSETD, TIOCCONS}) {
      data.args[1] = request;
      EXPECT_EQ(policy.Decide(data), kEnosys) << name << ": ioctl " << request;
    }
    data = Call(SYS_socket);
    for (uint64_t family = 0; family < 64; ++family) {
      data.args[0] = family;
      data.args[1] = SOCK_RAW;
      const bool route = family == AF_NETLINK;  // raw is a netlink socket's ordinary type
      EXPECT_EQ(policy.Decide(data) == SECCOMP_RET_ALLOW, route && std::string(name) == "run")
          << name << ": raw socket of family " << family;
      data.args[1] = SOCK_STREAM;
      data.args[2] = 262;  // IPPROTO_MPTCP
      EXPECT_TRUE(policy.Decide(data) == kEnosys || family == AF_UNIX) << family;
      data.args[2] = 0;
    }
    for (const uint64_t family :
         Values{AF_ALG, AF_VSOCK, AF_PACKET, AF_TIPC, AF_X25, AF_XDP, AF_BLUETOOTH}) {
      data.args[0] = family;
      for (const uint64_t type : Values{SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET}) {
        data.args[1] = type;
        EXPECT_EQ(policy.Decide(data), kEnosys) << name << ": family " << family;
      }
    }
  }
}

TEST(SeccompPolicy, CompilersGetLessThanPrograms) {
  const Policy run = Policy::Read(FileOf("run"));
  const Policy compile = Policy::Read(FileOf("compile"));
  std::set<uint32_t> granted;
  for (const Policy::Rule& rule : run.rules) {
    granted.insert(rule.calls.begin(), rule.calls.end());
  }
  std::set<uint32_t> to_compilers;
  for (const Policy::Rule& rule : compile.rules) {
    for (const uint32_t number : rule.calls) {
      EXPECT_EQ(granted.count(number), 1U)
          << "compilers have a call that programs lack: " << number;
      to_compilers.insert(number);
    }
  }
  EXPECT_LT(to_compilers.size(), granted.size());
  seccomp_data data = Call(SYS_socket);
  for (const uint64_t family : Values{AF_INET, AF_INET6, AF_NETLINK}) {
    data.args[0] = family;
    data.args[1] = SOCK_DGRAM;
    EXPECT_EQ(compile.Decide(data), kEnosys);
  }
}

// Runs `call` in a child under the policy; its exit code, or minus the signal that killed it.
int UnderPolicy(const std::string& name, const std::function<int()>& call) {
  const auto filter = CompileFilter(FileOf(name));
  EXPECT_TRUE(filter);
  std::vector<sock_filter> program = ReadProgram(filter->get());
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        !linux::LoadSeccomp({static_cast<uint16_t>(program.size()), program.data()})) {
      ::_exit(255);
    }
    // The exit by hand: a sanitizer's own ending would need more calls than a policy has.
    const int code = call();
    ::syscall(SYS_exit_group, code);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

// 0 or the errno of a call.
int Errno(long result) {
  return result < 0 ? errno : 0;
}

constexpr long kUpper = static_cast<long>(0x7EADBEEF00000000);

TEST(SeccompKernel, GrantsAndRefusesAsThePolicySays) {
  const struct {
    const char* policy;
    const char* what;
    std::function<int()> call;
    int wanted;
  } kCases[] = {
      {"run", "getppid", [] { return Errno(::syscall(SYS_getppid)); }, 0},
      {"run", "unix socket", [] { return Errno(::syscall(SYS_socket, 1, 1, 0)); }, 0},
      {"run", "unix socket, garbage above",
       [] { return Errno(::syscall(SYS_socket, 1 | kUpper, 1 | kUpper, 0 | kUpper)); }, 0},
      {"run", "TCP socket", [] { return Errno(::syscall(SYS_socket, 2, 1 | SOCK_CLOEXEC, 6)); }, 0},
      {"run", "MPTCP socket", [] { return Errno(::syscall(SYS_socket, 2, 1, 262)); }, ENOSYS},
      {"run", "raw socket", [] { return Errno(::syscall(SYS_socket, 2, 3, 1)); }, ENOSYS},
      {"run", "AF_ALG", [] { return Errno(::syscall(SYS_socket, 38, 5, 0)); }, ENOSYS},
      {"run", "AF_VSOCK, garbage above",
       [] { return Errno(::syscall(SYS_socket, 40 | kUpper, 1, 0)); }, ENOSYS},
      {"run", "TIOCSTI", [] { return Errno(::syscall(SYS_ioctl, 0, TIOCSTI, "x")); }, ENOSYS},
      {"run", "TIOCSTI, garbage above",
       [] { return Errno(::syscall(SYS_ioctl, 0, static_cast<long>(TIOCSTI) | kUpper, "x")); },
       ENOSYS},
      {"run", "clone into a user namespace",
       [] { return Errno(::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)); }, ENOSYS},
      {"run", "clone3", [] { return Errno(::syscall(SYS_clone3, nullptr, 0)); }, ENOSYS},
      {"run", "unshare", [] { return Errno(::syscall(SYS_unshare, CLONE_NEWUSER)); }, ENOSYS},
      {"run", "ptrace", [] { return Errno(::syscall(SYS_ptrace, 0, 0, 0, 0)); }, EPERM},
      {"run", "chown", [] { return Errno(::syscall(SYS_chown, "/", 0, 0)); }, EPERM},
      {"run", "io_uring", [] { return Errno(::syscall(SYS_io_uring_setup, 1, nullptr)); }, ENOSYS},
      {"run", "personality read", [] { return Errno(::syscall(SYS_personality, 0xFFFFFFFF)); }, 0},
      {"run", "READ_IMPLIES_EXEC", [] { return Errno(::syscall(SYS_personality, 0x0400000)); },
       ENOSYS},
      {"run", "PR_SET_DUMPABLE", [] { return Errno(::syscall(SYS_prctl, 4, 1, 0, 0, 0)); }, ENOSYS},
      {"run", "x32 getpid", [] { return Errno(::syscall(0x40000000 | SYS_getpid)); }, -SIGSYS},
      {"run", "int 0x80 getpid",
       [] {
         int result = 20;  // getpid of 32-bit programs
         asm volatile("int $0x80" : "+a"(result) : : "memory");
         return result > 0 ? 0 : -result;
       },
       -SIGSYS},
      {"compile", "unix socketpair",
       [] {
         int fds[2];
         return Errno(::syscall(SYS_socketpair, 1, 1, 0, fds));
       },
       0},
      {"compile", "TCP socket", [] { return Errno(::syscall(SYS_socket, 2, 1, 0)); }, ENOSYS},
      {"compile", "route netlink", [] { return Errno(::syscall(SYS_socket, 16, 3, 0)); }, ENOSYS},
      {"compile", "ptrace", [] { return Errno(::syscall(SYS_ptrace, 0, 0, 0, 0)); }, EPERM},
      {"init", "open", [] { return Errno(::syscall(SYS_openat, AT_FDCWD, "/", 0, 0)); }, EPERM},
      {"init", "fork", [] { return Errno(::syscall(SYS_fork)); }, EPERM},
      {"init", "read", [] { return Errno(::syscall(SYS_read, -1, nullptr, 0)); }, EBADF},
      {"init", "execve", [] { return Errno(::syscall(SYS_execve, "/", nullptr, nullptr)); }, EPERM},
      {"init", "setns", [] { return Errno(::syscall(SYS_setns, 0, 0)); }, EPERM},
  };

  for (const auto& c : kCases) {
    EXPECT_EQ(UnderPolicy(c.policy, c.call), c.wanted) << c.policy << ": " << c.what;
  }
}

}  // namespace
}  // namespace sandbox
