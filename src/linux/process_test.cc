#include "linux/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "base/unique_fd.h"

namespace linux {
namespace {

// A child that ends with `status` once our end of a pipe is closed, and its own children with it.
// They are there when this is.
struct Child {
  explicit Child(int status, int children = 0) {
    int ends[2];
    int ready[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    pid = ::fork();
    if (pid == 0) {
      ::close(ends[1]);
      bool forked = true;
      for (int i = 0; i < children && forked; ++i) {
        const pid_t grandchild = ::fork();
        forked = grandchild >= 0;
        if (grandchild == 0) {
          break;
        }
      }
      char byte = 0;
      if (!forked || ::write(ready[1], "", 1) != 1 || ::read(ends[0], &byte, 1) != 0) {
        status = 99;
      }
      while (::wait(nullptr) > 0) {
      }
      ::_exit(status);
    }
    ::close(ends[0]);
    lives.reset(ends[1]);
    char byte = 0;
    for (int i = 0; i <= children; ++i) {
      EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    }
    ::close(ready[0]);
    ::close(ready[1]);
  }

  ~Child() {
    lives.reset();
    ::waitpid(pid, nullptr, 0);
  }

  // Returns when it is a zombie.
  void AwaitEnd() const {
    siginfo_t info{};
    EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  }

  pid_t pid = -1;
  base::UniqueFd lives;
};

TEST(Process, FindsTheOnlyChild) {
  const Child none(0);
  EXPECT_EQ(OnlyChild(none.pid), -1);
  const Child one(0, 1);
  const pid_t child = OnlyChild(one.pid);
  ASSERT_GT(child, 0);
  EXPECT_EQ(::getpgid(child), ::getpgid(one.pid));
  EXPECT_EQ(OnlyChild(child), -1);
  const Child two(0, 2);
  EXPECT_EQ(OnlyChild(two.pid), -1);
  EXPECT_EQ(OnlyChild(-1), -1);
}

TEST(Process, ReadsTheStatusOfOneThatHasEnded) {
  Child child(3);
  ASSERT_TRUE(MaySeeEnd(child.pid));
  int status = -1;
  EXPECT_FALSE(ReadEnd(child.pid, &status));
  child.lives.reset();
  child.AwaitEnd();
  ASSERT_TRUE(ReadEnd(child.pid, &status));
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 3);
}

TEST(Process, ReadsTheSignalThatEndedOne) {
  Child child(0);
  ASSERT_TRUE(MaySeeEnd(child.pid));
  ::kill(child.pid, SIGKILL);
  child.AwaitEnd();
  int status = 0;
  ASSERT_TRUE(ReadEnd(child.pid, &status));
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
}

TEST(Process, ReadsNothingOfNobody) {
  int status = 0;
  EXPECT_FALSE(MaySeeEnd(-1));
  EXPECT_FALSE(ReadEnd(-1, &status));
}

}  // namespace
}  // namespace linux
