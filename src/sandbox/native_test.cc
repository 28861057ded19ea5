// The native backend against the real launcher, as far as the invoking user's rights allow.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
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

TEST_F(NativeTest, TellsWhatARunningProgramUses) {
  // Three children, and something to do until it is cancelled.
  Spec spec = Shell(
      "sleep 20 & sleep 20 & sleep 20 & i=0; while [ $i -lt 100000000 ]; do i=$((i+1)); done");
  spec.limits.wall_time = 20 * base::kSecond;
  std::vector<LiveUsage> usages;
  std::optional<RunResult> result;
  const Backend::RunId id =
      backend_->Start(std::move(spec), {}, [&](RunResult ended) { result = std::move(ended); });
  backend_->WatchUsage(id, [&](const LiveUsage& usage) {
    EXPECT_FALSE(result);
    usages.push_back(usage);
    if (usages.size() == 3) {
      backend_->Cancel(id);
    }
  });
  while (!result && loop_.run_one_for(std::chrono::seconds(30)) != 0) {
  }
  ASSERT_TRUE(result);
  EXPECT_EQ(result->cause, Cause::kCancelled) << result->message;
  ASSERT_GE(usages.size(), 3U);
  EXPECT_GE(usages[0].wall_time, wire::kUsageAfter);
  EXPECT_GE(usages[1].wall_time - usages[0].wall_time, wire::kUsageEvery / 2);
  EXPECT_GE(result->usage.wall_time, usages[2].wall_time);
  if (!cgroups_) {
    EXPECT_EQ(usages[2].cpu_time, std::nullopt);
    EXPECT_EQ(usages[2].memory_bytes, std::nullopt);
    EXPECT_EQ(usages[2].processes, std::nullopt);
    return;
  }
  EXPECT_EQ(usages[2].processes, 4);
  EXPECT_GT(usages[2].cpu_time, usages[0].cpu_time);
  EXPECT_GE(result->usage.cpu_time, *usages[2].cpu_time);
  EXPECT_GT(usages[2].memory_bytes, 0);
  EXPECT_GE(usages[2].memory_peak_bytes, usages[2].memory_bytes);
}

TEST_F(NativeTest, AShortProgramIsNotMeasured) {
  std::optional<RunResult> result;
  int measured = 0;
  const Backend::RunId id =
      backend_->Start(Shell("exit 0"), {}, [&](RunResult ended) { result = std::move(ended); });
  backend_->WatchUsage(id, [&](const LiveUsage&) { ++measured; });
  while (!result && loop_.run_one_for(std::chrono::seconds(30)) != 0) {
  }
  ASSERT_TRUE(result);
  if (result->usage.wall_time < wire::kUsageAfter) {
    EXPECT_EQ(measured, 0);
  }
  backend_->WatchUsage(id, [&](const LiveUsage&) { FAIL() << "it has ended"; });
  Run(Shell("sleep 0.4"));
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

// It may lie in larger pages than what the program itself writes.
TEST_F(NativeTest, AFileThatIsCopiedInLeavesTheWorkFolderAsEver) {
  const std::string content(3'000'000, 'x');
  Spec spec = Shell("wc -c < in; grep -c ' /box .*huge=' /proc/self/mounts");
  auto file =
      std::make_shared<base::UniqueFd>(::memfd_create("in", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::write(file->get(), content.data(), content.size()), 3'000'000);
  ASSERT_EQ(::fcntl(file->get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
  spec.files.push_back({"in", false, "", file});
  spec.limits.file_bytes = 4 << 20;
  EXPECT_EQ(Run(std::move(spec)).stdout_data, "3000000\n0\n");
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

// A run that is fed; what has come out of it, and how it ended.
class LiveTest : public NativeTest {
 protected:
  void Begin(const std::string& script, const std::string& first = "") {
    Spec spec = Shell(script);
    spec.stdin_data = first;
    Begin(std::move(spec));
  }

  void BeginWithTerminal(const std::string& script, TerminalSize size = {}) {
    Spec spec = Shell(script);
    spec.terminal = size;
    Begin(std::move(spec));
  }

  void Begin(Spec spec) {
    spec.live_input = true;
    id_ = backend_->Start(
        std::move(spec),
        [this](Stream stream, std::string_view data) {
          output_ += stream == Stream::kStdout ? data : "";
        },
        [this](RunResult result) { result_ = std::move(result); });
  }

  LiveInput& live() { return backend_->live_input(); }

  template <typename Condition>
  bool Until(Condition condition) {
    while (!condition() && loop_.run_one_for(std::chrono::seconds(30)) != 0) {
    }
    return condition();
  }

  bool UntilOutput(const std::string& wanted) {
    return Until([&] { return output_ == wanted; });
  }

  uint64_t id_ = 0;
  std::string output_;
  std::optional<RunResult> result_;
};

TEST_F(LiveTest, TakesInputWhileItRuns) {
  Begin("while read -r line; do echo \"got $line\"; done; echo end", "first\n");
  ASSERT_TRUE(UntilOutput("got first\n"));
  bool taken = false;
  live().Write(id_, "second\n", [&] { taken = true; });
  EXPECT_FALSE(taken) << "from within the call";
  ASSERT_TRUE(UntilOutput("got first\ngot second\n"));
  EXPECT_TRUE(taken);
  live().CloseInput(id_);
  ASSERT_TRUE(Until([&] { return result_.has_value(); }));
  EXPECT_EQ(result_->cause, Cause::kExited) << result_->message;
  EXPECT_EQ(output_, "got first\ngot second\nend\n");
}

TEST_F(LiveTest, InputThatIsNotReadWaits) {
  Begin("read -r line; echo \"$line\"; sleep 60", "x\n");
  ASSERT_TRUE(UntilOutput("x\n"));
  bool taken = false;
  live().Write(id_, std::string(1 << 20, 'y'), [&] { taken = true; });
  live().CloseInput(id_);
  loop_.run_for(std::chrono::milliseconds(100));
  EXPECT_FALSE(taken);
  backend_->Cancel(id_);
  ASSERT_TRUE(Until([&] { return result_.has_value() && taken; }));
  EXPECT_EQ(result_->cause, Cause::kCancelled);
}

TEST_F(LiveTest, InputForNobodyIsDropped) {
  Begin("exec <&-; echo closed; read -r line <&2; sleep 60");
  ASSERT_TRUE(UntilOutput("closed\n"));
  int taken = 0;
  for (int i = 0; i < 3; ++i) {
    live().Write(id_, std::string(1 << 20, 'y'), [&] { ++taken; });
  }
  EXPECT_TRUE(Until([&] { return taken == 3; }));
  live().Write(99, "z", [&] { ++taken; });
  EXPECT_TRUE(Until([&] { return taken == 4; }));
  live().CloseInput(99);
  live().Signal(99, 15);
  live().Signal(id_, 9);
  ASSERT_TRUE(Until([&] { return result_.has_value(); }));
  EXPECT_EQ(result_->signal, 9);
}

TEST_F(LiveTest, SignalsReachTheGroupOfTheProgram) {
  Begin("trap 'echo got; exit 3' USR1; echo ready; while :; do sleep 0.1; done");
  ASSERT_TRUE(UntilOutput("ready\n"));
  live().Signal(id_, 10);
  ASSERT_TRUE(Until([&] { return result_.has_value(); }));
  EXPECT_EQ(result_->exit_code, 3) << result_->message;
  EXPECT_EQ(output_, "ready\ngot\n");
}

TEST_F(LiveTest, ProgramsThatAreNotFedGetNoSignals) {
  Spec spec = Shell("echo ready; sleep 0.3; echo end");
  id_ = backend_->Start(
      std::move(spec), [&](Stream, std::string_view) { live().Signal(id_, 15); },
      [this](RunResult result) { result_ = std::move(result); });
  ASSERT_TRUE(Until([&] { return result_.has_value(); }));
  EXPECT_EQ(result_->stdout_data, "ready\nend\n");
}

TEST_F(LiveTest, ATerminalIsAllStreamsOfTheProgram) {
  BeginWithTerminal("tty; stty size; echo err >&2; read -r line; echo \"<$line>\"; exit 3",
                    {5, 70});
  ASSERT_TRUE(UntilOutput("/dev/pts/0\r\n5 70\r\nerr\r\n"));
  bool taken = false;
  live().Write(id_, "typed\n", [&] { taken = true; });
  EXPECT_FALSE(taken) << "from within the call";
  ASSERT_TRUE(Until([&] { return result_.has_value(); }));
  EXPECT_TRUE(taken);
  EXPECT_EQ(result_->exit_code, 3) << result_->message;
  EXPECT_EQ(output_, "/dev/pts/0\r\n5 70\r\nerr\r\ntyped\r\n<typed>\r\n");
  EXPECT_EQ(result_->stdout_data, output_);
  EXPECT_EQ(result_->stderr_data, "");
}

// What is said before there is a terminal waits for it; the program may have begun by then.
TEST_F(LiveTest, ATerminalHasTheLatestSize) {
  BeginWithTerminal(
      "while [ \"$(stty size)\" != '7 8' ]; do sleep 0.01; done; read -r line;"
      "trap 'stty size; exit 4' WINCH; echo \"<$line>\"; while :; do sleep 0.05; done");
  live().Resize(id_, {7, 8});
  live().Write(id_, "early\n", [] {});
  ASSERT_TRUE(Until([&] { return output_.ends_with("<early>\r\n"); }));
  live().Resize(id_, {1000, 1});
  ASSERT_TRUE(Until([&] { return result_.has_value(); }));
  EXPECT_EQ(result_->exit_code, 4) << result_->message;
  EXPECT_TRUE(output_.ends_with("<early>\r\n1000 1\r\n")) << output_;
  live().Resize(id_, {1, 1});  // nobody's
}

TEST_F(LiveTest, APipeHasNoSize) {
  Begin("trap 'echo resized' WINCH; read -r line; echo \"$line\"");
  live().Resize(id_, {7, 8});
  live().Write(id_, "in\n", [] {});
  ASSERT_TRUE(Until([&] { return result_.has_value(); }));
  EXPECT_EQ(output_, "in\n");
}

TEST_F(LiveTest, InputForATerminalThatNeverComesIsDropped) {
  for (const char* program : {"/bin/sh", "/no/such/program"}) {
    Spec spec = Shell("sleep 60");
    spec.argv.front() = program;
    spec.terminal = TerminalSize{};
    result_.reset();
    Begin(std::move(spec));
    int taken = 0;
    live().Write(id_, std::string(1 << 20, '\n'), [&] { ++taken; });
    live().Write(id_, "more", [&] { ++taken; });
    backend_->Cancel(id_);
    ASSERT_TRUE(Until([&] { return result_.has_value() && taken == 2; })) << taken;
    // What cannot be started may have failed before.
    EXPECT_TRUE(result_->cause == Cause::kCancelled ||
                result_->message == "exec: No such file or directory")
        << result_->message;
  }
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
    warm.push_back({"main", command, {}, {}, {}});
    warm.push_back(warm.back());
    warm.back().forks = false;
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

TEST_F(NativeTest, AProgramThatIsNotForkedWaitsForItsJobInASandboxOfItsOwn) {
  Spec spec = Shell("");
  spec.argv = {"/bin/sh", "main"};
  WarmProgram shell{"main", spec.argv, spec.env, {}, {}};
  shell.forks = false;
  Start({shell});
  spec.stdin_data = "word\n";
  spec.limits.file_bytes = 1 << 20;
  const std::string script =
      "read word; echo $word $$; ls -A . /tmp /etc/ld.so.preload; head -c 2m /dev/zero >big; "
      "ulimit "
      "-n; grep -q sandbox-warm /proc/$$/maps && echo ahead; exit 5";
  spec.files.push_back({"main", false, script, nullptr});
  spec.limits.open_files = 99;
  std::string cold;
  bool ahead = false;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!ahead && std::chrono::steady_clock::now() < deadline) {
    const RunResult result = Run(spec);
    ASSERT_EQ(result.cause, Cause::kExited) << result.message;
    EXPECT_EQ(result.exit_code, 5);
    EXPECT_THAT(result.stderr_data, ::testing::HasSubstr("ld.so.preload"));
    if (cold.empty()) {
      cold = result.stdout_data;  // nothing has been started before the first one
      EXPECT_THAT(cold, ::testing::HasSubstr("word 2\n"));
      EXPECT_THAT(cold, ::testing::EndsWith("99\n"));
    } else {
      ahead = result.stdout_data == cold + "ahead\n";
      EXPECT_TRUE(ahead || result.stdout_data == cold) << result.stdout_data;
    }
  }
  EXPECT_TRUE(ahead);
}

TEST_F(NativeTest, MetricsAreBroughtUpToDateForAllWhoAsk) {
  Start({{"main", {"/bin/true"}, {}, {}, {}, "native-test"}});
  ASSERT_EQ(Run(Shell("exit 3")).exit_code, 3);
  int told = 0;
  for (int i = 0; i < 3; ++i) {
    backend_->FreshenMetrics([&] { ++told; });
  }
  EXPECT_EQ(told, 0);
  while (told < 3 && loop_.run_one_for(std::chrono::seconds(30)) != 0) {
  }
  EXPECT_EQ(told, 3);
  EXPECT_THAT(base::MetricsText(),
              ::testing::HasSubstr(R"(sandbox_zygotes_started_total{kind="native-test"} )"));
}

TEST_F(NativeTest, MoreWarmProgramsThanThereCanBeAreRefused) {
  NativeOptions options;
  options.launcher = LAUNCHER_PATH;
  options.warm.resize(7, {"main", {"/bin/true"}, {}, {}, {}});
  auto filters = CompileFilters(std::string(SOURCE_DIR) + "/config/seccomp");
  ASSERT_TRUE(filters) << filters.error().message;
  const auto launcher = StartLauncher(options, *filters);
  ASSERT_FALSE(launcher);
  EXPECT_EQ(launcher.error().message, "more than 6 programs to start ahead");
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
