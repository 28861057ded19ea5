// The native backend against the real launcher, as far as the invoking user's rights allow.

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <map>

#include "sandbox/client.h"
#include "sandbox/wire.h"

namespace sandbox {
namespace {

class NativeTest : public ::testing::Test {
 protected:
  void SetUp() override { Start({}); }

  void Start(std::vector<WarmProgram> warm) {
    auto filters = CompileFilters(std::string(SOURCE_DIR) + "/config/seccomp");
    ASSERT_TRUE(filters) << filters.error().message;
    NativeOptions options;
    options.launcher = LAUNCHER_PATH;
    options.min_isolation = "no-cgroup";
    options.warm = std::move(warm);
    auto launcher = StartLauncher(options, *filters);
    ASSERT_TRUE(launcher) << launcher.error().message;
    cgroups_ = launcher->isolation != "no-cgroup";
    backend_ = MakeNativeBackend(loop_, std::move(*launcher), [] {});
  }

  static Spec Shell(const std::string& script) {
    Spec spec;
    spec.argv = {"/bin/sh", "-c", script};
    spec.env = {{"PATH", "/usr/bin:/bin"}};
    spec.limits.wall_time = 5 * base::kSecond;
    spec.limits.memory_bytes = 128 << 20;
    spec.limits.processes = 16;
    spec.limits.output_bytes = 1 << 16;
    return spec;
  }

  RunResult Run(Spec spec) {
    RunResult out;
    bool done = false;
    backend_->Start(std::move(spec), {}, [&](RunResult result) {
      out = std::move(result);
      done = true;
    });
    while (!done && loop_.run_one_for(std::chrono::seconds(30)) != 0) {
    }
    EXPECT_TRUE(done);
    return out;
  }

  boost::asio::io_context loop_;
  std::unique_ptr<Backend> backend_;
  bool cgroups_ = false;
};

TEST_F(NativeTest, ReportsExitCodeAndOutput) {
  const RunResult result = Run(Shell("echo out; echo err >&2; exit 7"));
  EXPECT_EQ(result.cause, Cause::kExited) << result.message;
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.stdout_data, "out\n");
  EXPECT_EQ(result.stderr_data, "err\n");
  EXPECT_GT(result.usage.wall_time, 0);
  EXPECT_GT(result.start_time, 0);
}

TEST_F(NativeTest, FeedsStdinAndFilesAndCollects) {
  Spec spec = Shell("cat; cat in/data.txt; echo kept > out.txt; ln -s /etc/passwd link; mkdir d");
  spec.stdin_data = std::string("a\0b\n", 4);
  spec.files.push_back({"in/data.txt", false, "from file\n", nullptr});
  spec.collect = {"out.txt", "link", "d", "absent"};
  const RunResult result = Run(std::move(spec));
  ASSERT_EQ(result.cause, Cause::kExited) << result.message << result.stderr_data;
  EXPECT_EQ(result.stdout_data, std::string("a\0b\nfrom file\n", 14));
  ASSERT_EQ(result.collected.size(), 4U);
  ASSERT_NE(result.collected[0].fd, nullptr) << result.collected[0].error;
  char text[16] = {};
  EXPECT_EQ(pread(result.collected[0].fd->get(), text, sizeof(text), 0), 5);
  EXPECT_STREQ(text, "kept\n");
  for (size_t i = 1; i < 4; ++i) {
    EXPECT_EQ(result.collected[i].fd, nullptr);
    EXPECT_FALSE(result.collected[i].error.empty());
  }
}

TEST_F(NativeTest, CollectsWhatPatternsMatch) {
  Spec spec = Shell(
      "mkdir -p d/e; echo 1 > a.txt; echo 2 > d/b.txt; echo 3 > d/e/c.txt; echo > x;"
      "ln -s /etc/passwd d/link.txt; mkfifo p.txt");
  spec.collect = {"d/**/*.txt", "absent", "*.txt"};
  const RunResult result = Run(std::move(spec));
  ASSERT_EQ(result.cause, Cause::kExited) << result.message << result.stderr_data;
  EXPECT_FALSE(result.more_files);
  std::map<std::string, std::string> found;  // path to error
  for (const CollectedFile& file : result.collected) {
    found[file.path] = file.error;
    EXPECT_EQ(file.fd != nullptr, file.error.empty()) << file.path;
  }
  const std::map<std::string, std::string> expected = {
      {"absent", "not found"}, {"a.txt", ""}, {"d/b.txt", ""}, {"d/e/c.txt", ""}};
  EXPECT_EQ(found, expected);
  EXPECT_EQ(result.collected[0].path, "absent") << "paths come first";
}

TEST_F(NativeTest, EndsAtTheWallTimeLimit) {
  Spec spec = Shell("sleep 60");
  spec.limits.wall_time = 100 * base::kMillisecond;
  EXPECT_EQ(Run(std::move(spec)).cause, Cause::kWallTimeLimit);
}

TEST_F(NativeTest, EndsAtTheOutputLimit) {
  const RunResult result = Run(Shell("yes"));
  EXPECT_EQ(result.cause, Cause::kOutputLimit);
  EXPECT_EQ(result.stdout_data.size(), 1U << 16);
  EXPECT_TRUE(result.stdout_truncated);
}

TEST_F(NativeTest, ReportsMemoryLimit) {
  if (!cgroups_) {
    return;  // the level has no such verdict, and says so
  }
  Spec spec = Shell("x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done");
  spec.limits.memory_bytes = 32 << 20;
  EXPECT_EQ(Run(std::move(spec)).cause, Cause::kMemoryLimit);
}

TEST_F(NativeTest, CancelKills) {
  RunResult out;
  bool done = false;
  const auto id = backend_->Start(
      Shell("echo ready; sleep 60"), [&](Stream, std::string_view) { backend_->Cancel(1); },
      [&](RunResult result) {
        out = std::move(result);
        done = true;
      });
  EXPECT_EQ(id, 1U);
  while (!done && loop_.run_one_for(std::chrono::seconds(30)) != 0) {
  }
  ASSERT_TRUE(done);
  EXPECT_EQ(out.cause, Cause::kCancelled);
}

TEST_F(NativeTest, ADaemonThatHoldsStdoutDoesNotDelayTheAnswer) {
  const RunResult result = Run(Shell("setsid sleep 60 & echo done"));
  EXPECT_EQ(result.cause, Cause::kExited) << result.message;
  EXPECT_EQ(result.stdout_data, "done\n");
  EXPECT_LT(result.usage.wall_time, 5 * base::kSecond);
}

TEST_F(NativeTest, ShowsTheProgramAWorldOfItsOwn) {
  const RunResult result =
      Run(Shell("id -u; hostname; pwd; ls /; cat /proc/self/cgroup; ls /proc | grep -c '^[0-9]'; "
                "test -w /usr || echo read-only; cat /etc/shadow 2>&1 | grep -c root"));
  EXPECT_EQ(result.cause, Cause::kExited) << result.message;
  EXPECT_NE(result.stdout_data.find("1000\nsandbox\n/box\n"), std::string::npos)
      << result.stdout_data << result.stderr_data;
  EXPECT_NE(result.stdout_data.find("read-only\n0\n"), std::string::npos) << result.stdout_data;
}

TEST_F(NativeTest, AProgramThatDoesNotExistIsSaidPlainly) {
  Spec spec = Shell("");
  spec.argv = {"/nonexistent"};
  const RunResult result = Run(std::move(spec));
  EXPECT_EQ(result.cause, Cause::kInternal);
  EXPECT_EQ(result.message, "exec: No such file or directory");
}

// /bin/true ends at once, /bin/sleep never opens the source: the jobs that they
// could have served start cold.
TEST_F(NativeTest, WarmProgramsThatDoNotComeUpCostNothing) {
  const std::vector<std::vector<std::string>> commands = {
      {"/bin/true"}, {"/bin/sleep", "60"}, {"/nonexistent"}};
  std::vector<WarmProgram> warm;
  for (const auto& command : commands) {
    warm.push_back({"main", command, {}, {}});
  }
  Start(warm);
  for (int i = 0; i < 3; ++i) {
    Spec spec = Shell("");
    spec.argv = {"/bin/true"};
    spec.env = {};
    spec.files.push_back({"main", false, "", nullptr});
    const RunResult result = Run(std::move(spec));
    EXPECT_EQ(result.cause, Cause::kExited) << result.message;
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(Run(Shell("exit 3")).exit_code, 3);
  }
}

TEST_F(NativeTest, MoreWarmProgramsThanThereCanBeAreRefused) {
  NativeOptions options;
  options.launcher = LAUNCHER_PATH;
  options.warm.resize(5, {"main", {"/bin/true"}, {}, {}});
  auto filters = CompileFilters(std::string(SOURCE_DIR) + "/config/seccomp");
  ASSERT_TRUE(filters) << filters.error().message;
  const auto launcher = StartLauncher(options, *filters);
  ASSERT_FALSE(launcher);
  EXPECT_EQ(launcher.error().message, "more than 4 programs to start ahead");
}

TEST_F(NativeTest, ManyAtOnceAllAnswer) {
  int done = 0;
  for (int i = 0; i < 40; ++i) {
    // So much to collect that the socket is full for a while.
    Spec spec = Shell("echo " + std::to_string(i));
    spec.collect.resize(wire::kMaxCollect, "absent");
    backend_->Start(std::move(spec), {}, [&, i](RunResult result) {
      EXPECT_EQ(result.cause, Cause::kExited) << result.message;
      EXPECT_EQ(result.collected.size(), size_t{wire::kMaxCollect});
      EXPECT_EQ(result.stdout_data, std::to_string(i) + "\n");
      ++done;
    });
  }
  while (done < 40 && loop_.run_one_for(std::chrono::seconds(30)) != 0) {
  }
  EXPECT_EQ(done, 40);
}

}  // namespace
}  // namespace sandbox
