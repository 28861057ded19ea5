// The cage of sandboxd, tried from within by a process that behaves as if it were taken over.

#include "app/confine.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>

#include "base/unique_fd.h"
#include "linux/confine.h"

namespace app {
namespace {

// 0 or the errno of a call.
int Errno(long result) {
  return result < 0 ? errno : 0;
}

int Listener(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return fd >= 0 && ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
                 ::listen(fd, 1) == 0
             ? fd
             : -1;
}

uint16_t PortOf(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

int Connect(uint16_t port) {
  const base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return Errno(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)));
}

class ConfineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    state_ = ::testing::TempDir() + "/confine-" + std::to_string(::getpid());
    std::filesystem::create_directories(state_);
    allowed_.reset(Listener(0));
    forbidden_.reset(Listener(0));
    ASSERT_TRUE(allowed_.valid() && forbidden_.valid());
  }

  void TearDown() override { std::filesystem::remove_all(state_); }

  Confinement Wanted() const {
    Confinement confinement;
    confinement.seccomp_policy = std::string(SOURCE_DIR) + "/config/seccomp/service.toml";
    confinement.write_folders = {state_};
    confinement.listen_ports = {PortOf(allowed_.get())};
    confinement.connect_ports = {PortOf(allowed_.get())};
    return confinement;
  }

  // What `attempt` answers in a child that may be confined: 0 or an errno.
  static int InChild(const std::function<int()>& attempt) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::_exit(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? attempt() : 255);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  // The same in a confined child.
  int Inside(const std::function<int()>& attempt) const {
    return InChild([&] { return Confine(Wanted()) ? attempt() : 254; });
  }

  static bool Confined() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return false;  // and says so: see SaysWhatIsInForce
#else
    return true;
#endif
  }

  std::string state_;
  base::UniqueFd allowed_;
  base::UniqueFd forbidden_;
};

TEST_F(ConfineTest, SaysWhatIsInForce) {
  const std::string wanted = Confined() ? "seccomp" : "none: built with a sanitizer";
  EXPECT_EQ(InChild([&] {
              const auto said = Confine(Wanted());
              return said && said->starts_with(wanted) ? 0 : 1;
            }),
            0);
}

TEST_F(ConfineTest, AMissingPolicyIsAnError) {
  EXPECT_EQ(InChild([&] {
              Confinement confinement = Wanted();
              confinement.seccomp_policy = "/nonexistent/service.toml";
              return static_cast<bool>(Confine(confinement)) == Confined() ? 1 : 0;
            }),
            0);
}

TEST_F(ConfineTest, WhatTheServiceDoesWorks) {
  const std::string file = state_ + "/file";
  EXPECT_EQ(Inside([&] { return Errno(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)); }),
            0);
  EXPECT_EQ(Inside([&] { return Errno(::rename(file.c_str(), (file + "2").c_str())); }), 0);
  EXPECT_EQ(Inside([&] { return Errno(::unlink((file + "2").c_str())); }), 0);
  EXPECT_EQ(Inside([] { return Errno(::open("/etc/hosts", O_RDONLY | O_CLOEXEC)); }), 0);
  EXPECT_EQ(Inside([] {
              int ran = 1;
              std::thread([&ran] { ran = 0; }).join();
              return ran;
            }),
            0);
  EXPECT_EQ(Inside([] {
              addrinfo* found = nullptr;
              const int error = ::getaddrinfo("localhost", "80", nullptr, &found);
              return error == 0 && found != nullptr ? 0 : 1;
            }),
            0);
  EXPECT_EQ(Inside([&] { return Connect(PortOf(allowed_.get())); }), 0);
  EXPECT_EQ(
      Inside([&] {
        // As the launcher's client reopens a memfd.
        const int fd = ::memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        return Errno(::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDONLY | O_CLOEXEC));
      }),
      0);
}

TEST_F(ConfineTest, AbortEndsTheProcess) {
  EXPECT_LT(Inside([]() -> int { std::abort(); }), 0);
}

TEST_F(ConfineTest, WhatAnIntruderWouldTryFails) {
  if (!Confined()) {
    return;
  }
  EXPECT_EQ(Inside([] { return Errno(::execl("/bin/true", "true", nullptr)); }), ENOSYS);
  EXPECT_EQ(Inside([] { return Errno(::fork()); }), ENOSYS);
  EXPECT_EQ(Inside([] { return Errno(::syscall(SYS_vfork)); }), ENOSYS);
  EXPECT_EQ(Inside([] {
              pid_t pid = 0;
              char* argv[] = {nullptr};
              return ::posix_spawn(&pid, "/bin/true", nullptr, nullptr, argv, argv);
            }),
            ENOSYS);
  EXPECT_EQ(Inside([] {
              void* code = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              return code == MAP_FAILED ? errno : 0;
            }),
            ENOSYS);
  EXPECT_EQ(Inside([] {
              void* code =
                  ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              return Errno(::mprotect(code, 4096, PROT_READ | PROT_EXEC));
            }),
            ENOSYS);
  EXPECT_EQ(Inside([] { return Errno(::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, 0)); }), ENOSYS);
  EXPECT_EQ(Inside([] { return Errno(::kill(::getppid(), 0)); }), ENOSYS);
  // Other ways to signal a process of the same user, or to have the kernel do it.
  EXPECT_EQ(Inside([] { return Errno(::syscall(SYS_tgkill, ::getppid(), ::getppid(), 0)); }),
            ENOSYS);
  EXPECT_EQ(Inside([] { return Errno(::syscall(SYS_rt_sigqueueinfo, ::getppid(), 0, nullptr)); }),
            ENOSYS);
  EXPECT_EQ(Inside([] { return Errno(::fcntl(0, F_SETOWN, ::getppid())); }), ENOSYS);
  EXPECT_EQ(Inside([] { return Errno(::fcntl(0, F_SETSIG, SIGKILL)); }), ENOSYS);
  EXPECT_EQ(Inside([] {
              rlimit limit{};
              return Errno(::prlimit(::getppid(), RLIMIT_CPU, nullptr, &limit));
            }),
            ENOSYS);
  EXPECT_EQ(Inside([] { return Errno(::unshare(CLONE_NEWUSER)); }), ENOSYS);
  EXPECT_EQ(Inside([] { return Errno(::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)); }), ENOSYS);
  EXPECT_EQ(Inside([] { return Errno(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)); }), ENOSYS);
  EXPECT_EQ(Inside([] { return Errno(::setuid(0)); }), ENOSYS);
}

TEST_F(ConfineTest, FilesOutsideAreOutOfReach) {
  if (!Confined() || linux::LandlockAbi() == 0) {
    return;
  }
  const std::string beside = state_ + "-beside";
  EXPECT_EQ(
      Inside([&] { return Errno(::open(beside.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)); }),
      EACCES);
  for (const char* path : {"/proc/1/environ", "/proc/self/environ", "/proc/self/mem", "/root",
                           "/usr/bin/env", "/bin", "/var", "/dev/null", "/"}) {
    EXPECT_EQ(Inside([&] { return Errno(::open(path, O_RDONLY | O_CLOEXEC)); }), EACCES) << path;
  }
  EXPECT_EQ(Inside([] { return Errno(::open("/etc/hosts", O_WRONLY | O_CLOEXEC)); }), EACCES);
  EXPECT_EQ(Inside([&] { return Errno(::mkdir(beside.c_str(), 0700)); }), EACCES);
  EXPECT_FALSE(std::filesystem::exists(beside));
}

TEST_F(ConfineTest, OtherPortsAreOutOfReach) {
  if (!Confined() || linux::LandlockAbi() < 4) {
    return;
  }
  EXPECT_EQ(Inside([&] { return Connect(PortOf(forbidden_.get())); }), EACCES);
  EXPECT_EQ(Inside([] { return Listener(0) < 0 ? errno : 0; }), EACCES);
}

}  // namespace
}  // namespace app
