// The supervisor as a child of this process, on this machine instead of in a container: the same
// program, the same limits.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "docker/frames.h"
#include "sandbox/policy.h"

namespace docker {
namespace {

namespace fs = std::filesystem;
using sandbox::Cause;

constexpr base::Nanos kPatience = 30 * base::kSecond;

std::string Filter() {
  const auto fd = sandbox::CompileFilter(SOURCE_DIR "/config/seccomp/run.toml");

  struct stat info {};

  std::string bytes;
  if (fd && ::fstat(fd->get(), &info) == 0) {
    bytes.resize(static_cast<size_t>(info.st_size));
    EXPECT_EQ(::pread(fd->get(), bytes.data(), bytes.size(), 0), info.st_size);
  }
  return bytes;
}

// Processes of this machine in whose command line `text` is.
int CountProcesses(const std::string& text) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline");
    std::ostringstream line;
    line << file.rdbuf();  // a process that has ended meanwhile leaves it empty
    count += line.str().find(text) != std::string::npos ? 1 : 0;
  }
  return count;
}

class Supervisor : public testing::Test {
 protected:
  Supervisor() {
    std::string name = "/tmp/supervisor-test-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    ::chmod(folder_.c_str(), 0755);
    fs::create_directories(folder_ + "/jobs");
    fs::create_directories(folder_ + "/locks");
    marker_ = "marker" + folder_.substr(folder_.size() - 6);
  }

  ~Supervisor() override {
    input_.reset();
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    fs::remove_all(folder_);
  }

  static sandbox::Spec Python(const std::string& code) {
    sandbox::Spec spec;
    spec.argv = {"/usr/bin/python3", "main.py"};
    spec.env = {{"PATH", "/usr/bin:/bin"}, {"HOME", "/box"}, {"TMPDIR", "/tmp"}};
    spec.files.push_back({"main.py", false, code, nullptr});
    spec.limits.wall_time = 10 * base::kSecond;
    spec.limits.memory_bytes = 256 << 20;
    spec.limits.processes = 32;
    spec.limits.output_bytes = 64 << 10;
    return spec;
  }

  void Start() {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    ASSERT_EQ(::pipe2(in.data(), O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(out.data(), O_CLOEXEC), 0);
    input_.reset(in[1]);
    output_.reset(out[0]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::string program = SUPERVISOR_PATH;
    std::string mode = "run";
    std::array<char*, 3> argv = {program.data(), mode.data(), nullptr};
    ASSERT_EQ(::posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv.data(), environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
  }

  void Send(const sandbox::Spec& spec) {
    JobPlace place;
    place.space = static_cast<uint64_t>(::getpid());
    place.job_dir = folder_;
    const auto bytes = EncodeJob(spec, place, Filter());
    ASSERT_TRUE(bytes) << bytes.error().message;
    FrameParser::Events events;
    events.on_taken = [this](uint32_t n) {
      taken_ += n;
      return true;
    };
    parser_ = std::make_unique<FrameParser>(std::move(events));
    parser_->Expect(spec);
    ASSERT_EQ(::write(input_.get(), bytes->data(), bytes->size()),
              static_cast<ssize_t>(bytes->size()));
  }

  void Tell(wire::ControlType type, uint32_t detail = 0, const std::string& data = "") {
    const wire::Control control{static_cast<uint32_t>(type), detail};
    const std::string bytes =
        std::string(reinterpret_cast<const char*>(&control), sizeof(control)) + data;
    ASSERT_EQ(::write(input_.get(), bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }

  void Feed(const std::string& data) {
    Tell(wire::ControlType::kInput, static_cast<uint32_t>(data.size()), data);
  }

  // Starts a live program, which says "up" when it is.
  void StartLive(const std::string& code, bool terminal = false) {
    sandbox::Spec spec = Python("print('up', flush=True)\n" + code);
    spec.live_input = true;
    spec.stdin_data = "not sent with the job";
    if (terminal) {
      spec.terminal = {31, 117};
    }
    Start();
    Send(spec);
    ReadUntil("up");
  }

  // Reads until the program has said this.
  void ReadUntil(const std::string& text) {
    Read([&] { return parser_->done() || Said(text); });
    ASSERT_TRUE(Said(text)) << parser_->result().stdout_data << parser_->result().message;
  }

  bool Said(const std::string& text) {
    return parser_->result().stdout_data.find(text) != std::string::npos;
  }

  sandbox::RunResult& Result() {
    Read([this] { return parser_->done(); });
    EXPECT_TRUE(parser_->done());
    EXPECT_TRUE(fs::is_empty(folder_ + "/jobs"));
    return parser_->result();
  }

  // Reads frames until `enough` or the end.
  template <typename Enough>
  void Read(Enough enough) {
    const base::Nanos deadline = base::MonotonicNow() + kPatience;
    while (!enough() && base::MonotonicNow() < deadline) {
      pollfd polled{output_.get(), POLLIN, 0};
      ::poll(&polled, 1, 100);
      std::array<char, 4096> buffer{};
      if (polled.revents == 0) {
        continue;
      }
      const ssize_t n = ::read(output_.get(), buffer.data(), buffer.size());
      if (n <= 0) {
        return;
      }
      const auto fed = parser_->Feed({buffer.data(), static_cast<size_t>(n)});
      ASSERT_TRUE(fed) << fed.error().message;
    }
  }

  sandbox::RunResult Run(const sandbox::Spec& spec) {
    Start();
    Send(spec);
    Read([this] { return parser_->done(); });
    EXPECT_TRUE(parser_->done());
    EXPECT_TRUE(fs::is_empty(folder_ + "/jobs"));
    EXPECT_EQ(CountProcesses(marker_), 0);
    return std::move(parser_->result());
  }

  std::string folder_;
  std::string marker_;
  base::UniqueFd input_;
  base::UniqueFd output_;
  pid_t pid_ = 0;
  uint64_t taken_ = 0;  // of the input
  std::unique_ptr<FrameParser> parser_;
};

TEST_F(Supervisor, RunsAProgramInAFolderOfItsOwn) {
  sandbox::Spec spec = Python(
      "import os, sys\n"
      "print(input()); print(os.getcwd() == os.environ['HOME'], file=sys.stderr)\n"
      "open('made', 'w').write('content'); sys.exit(7)\n");
  spec.stdin_data = "hello\n";
  spec.collect = {"made", "missing"};
  const auto result = Run(spec);
  EXPECT_EQ(result.cause, Cause::kExited) << result.message;
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.stdout_data, "hello\n");
  EXPECT_EQ(result.stderr_data, "True\n");
  EXPECT_EQ(result.collected[0].size, 7);
  EXPECT_EQ(result.collected[1].error, "not found");
  EXPECT_GT(result.usage.wall_time, 0);
}

TEST_F(Supervisor, CollectsWhatPatternsMatch) {
  sandbox::Spec spec = Python(
      "import os\n"
      "os.makedirs('d/e'); open('d/e/a.txt', 'w').write('abc'); open('b.txt', 'w').close()\n"
      "os.symlink('/etc/passwd', 'c.txt'); open('d.log', 'w').close()\n");
  spec.collect = {"**/*.txt", "d.log"};
  const auto result = Run(spec);
  EXPECT_EQ(result.cause, Cause::kExited) << result.message;
  ASSERT_EQ(result.collected.size(), 3U);
  EXPECT_EQ(result.collected[0].path, "d.log");
  std::map<std::string, int64_t> sizes;
  for (const sandbox::CollectedFile& file : result.collected) {
    EXPECT_EQ(file.error, "") << file.path;
    sizes[file.path] = file.size;
  }
  EXPECT_EQ(sizes, (std::map<std::string, int64_t>{{"d.log", 0}, {"b.txt", 0}, {"d/e/a.txt", 3}}));
  EXPECT_FALSE(result.more_files);
}

TEST_F(Supervisor, OutputCannotForgeTheStatus) {
  const auto result =
      Run(Python("import os, struct\n"
                 "frame = struct.pack('<II', 7, 48) + bytes(48)\n"
                 "for fd in range(0, 64):\n"
                 "    try: os.write(fd, frame)\n"
                 "    except OSError: pass\n"
                 "os._exit(3)\n"));
  EXPECT_EQ(result.cause, Cause::kExited);
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.stdout_data.size(), 56U);
}

TEST_F(Supervisor, EnforcesWallTimeAgainstIgnoredSignals) {
  sandbox::Spec spec = Python(
      "import signal, time\n"
      "for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(s, signal.SIG_IGN)\n"
      "time.sleep(60)  # " +
      marker_);
  spec.limits.wall_time = base::kSecond / 2;
  EXPECT_EQ(Run(spec).cause, Cause::kWallTimeLimit);
}

TEST_F(Supervisor, EnforcesMemory) {
  sandbox::Spec spec = Python("b = []\nwhile True: b.append(bytearray(1 << 20))");
  spec.limits.memory_bytes = 64 << 20;
  EXPECT_EQ(Run(spec).cause, Cause::kMemoryLimit);
}

TEST_F(Supervisor, CutsAFlood) {
  const auto result = Run(Python("while True: print('x' * 1000)"));
  EXPECT_EQ(result.cause, Cause::kOutputLimit);
  EXPECT_EQ(result.stdout_data.size(), 64U << 10);
}

TEST_F(Supervisor, KillsDaemonsThatHoldStdout) {
  const auto result =
      Run(Python("import os, time\n"
                 "if os.fork() == 0:\n"
                 "    os.setsid()\n"
                 "    if os.fork() == 0:\n"
                 "        os.execv('/bin/sleep', ['" +
                 marker_ +
                 "', '60'])\n"
                 "    os._exit(0)\n"
                 "time.sleep(0.2)\n"));
  EXPECT_EQ(result.cause, Cause::kExited);
  EXPECT_EQ(result.exit_code, 0);
}

TEST_F(Supervisor, EndsAForkBomb) {
  sandbox::Spec spec = Python(
      "import os\n"
      "while True:\n"
      "    try: os.fork()\n"
      "    except OSError: pass\n");
  spec.limits.wall_time = base::kSecond;
  const auto result = Run(spec);
  EXPECT_TRUE(result.usage.process_limit_hit);
  EXPECT_NE(result.cause, Cause::kInternal) << result.message;
}

TEST_F(Supervisor, WhoStopsEverythingElseDoesNotHoldUpTheEnd) {
  sandbox::Spec spec = Python(
      "import os, signal\n"
      "for _ in range(3): os.fork()\n"
      "while True:\n"
      "    try: os.kill(-1, signal.SIGSTOP)\n"
      "    except OSError: pass\n");
  spec.limits.wall_time = base::kSecond / 5;
  EXPECT_EQ(Run(spec).cause, Cause::kWallTimeLimit);
}

TEST_F(Supervisor, EndOfInputKillsEverything) {
  Start();
  Send(
      Python("import os, time\nprint('up', flush=True)\n"
             "if os.fork() == 0: os.execv('/bin/sleep', ['" +
             marker_ +
             "', '60'])\n"
             "time.sleep(60)\n"));
  Read([this] { return !parser_->result().stdout_data.empty(); });
  ASSERT_EQ(parser_->result().stdout_data, "up\n");
  input_.reset();
  Read([] { return false; });  // to the end of its output
  int status = 0;
  ASSERT_EQ(::waitpid(pid_, &status, 0), pid_);
  pid_ = 0;
  EXPECT_FALSE(parser_->done());
  EXPECT_TRUE(fs::is_empty(folder_ + "/jobs"));
  EXPECT_EQ(CountProcesses(marker_), 0);
}

TEST_F(Supervisor, FeedsALiveProgram) {
  StartLive("import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)\n");
  Feed("one\n");
  ReadUntil("ONE\n");
  Feed("two\nthr");
  ReadUntil("TWO\n");
  Feed("ee");
  Tell(wire::ControlType::kInputEnd);
  const auto& result = Result();
  EXPECT_EQ(result.cause, Cause::kExited) << result.message;
  EXPECT_EQ(result.stdout_data, "up\nONE\nTWO\nTHREE");
  EXPECT_EQ(taken_, 13U);
}

TEST_F(Supervisor, SignalsPassInputThatNobodyReads) {
  StartLive(
      "import os, signal, time\n"
      "signal.signal(signal.SIGUSR1, lambda *_: os._exit(3))\n"
      "print('set', flush=True)\n"
      "while True: time.sleep(0.05)\n");
  ReadUntil("set");
  const std::string piece(wire::kInputWindow / 4, 'x');
  for (int i = 0; i < 4; ++i) {
    Feed(piece);
  }
  Tell(wire::ControlType::kSignal, SIGUSR1);
  const auto& result = Result();
  EXPECT_EQ(result.exit_code, 3) << result.message;
}

TEST_F(Supervisor, InputThatNobodyWantsIsTaken) {
  StartLive("import os, time\nos.close(0)\nprint('closed', flush=True)\ntime.sleep(60)\n");
  ReadUntil("closed");
  const std::string piece(wire::kInputWindow / 2, 'x');
  for (size_t i = 1; i <= 6; ++i) {
    Feed(piece);
    Read([&] { return taken_ == i * piece.size(); });
    ASSERT_EQ(taken_, i * piece.size());
  }
  Tell(wire::ControlType::kCancel);
  EXPECT_EQ(Result().cause, Cause::kCancelled);
}

TEST_F(Supervisor, ControlsThatCannotBeEndTheJob) {
  const std::string forever = "import time\ntime.sleep(60)\n";
  StartLive(forever);
  Tell(static_cast<wire::ControlType>(99));
  EXPECT_EQ(Result().cause, Cause::kInternal);
  Start();
  Send(Python("print('up', flush=True)\n" + forever));
  ReadUntil("up");
  Feed("for a program whose input was complete");
  EXPECT_EQ(Result().cause, Cause::kInternal);
}

TEST_F(Supervisor, MakesATerminal) {
  StartLive(
      "import os, signal, sys, time\n"
      "print(os.isatty(0), os.isatty(2), os.get_terminal_size(), os.ttyname(0)[:9])\n"
      "print(os.getsid(0) == os.tcgetpgrp(0), os.isatty(os.open('/dev/tty', os.O_RDWR)))\n"
      "signal.signal(signal.SIGWINCH, lambda *_: os.write(1, b'%dx%d.' % os.get_terminal_size()))\n"
      "try:\n"
      "    print('ready', flush=True)\n"
      "    while True: time.sleep(0.05)\n"
      "except KeyboardInterrupt:\n"
      "    print(repr(input('interrupted')), file=sys.stderr)\n",
      true);
  ReadUntil("ready");
  EXPECT_TRUE(Said("True True os.terminal_size(columns=117, lines=31) /dev/pts/\r\nTrue True\r\n"))
      << parser_->result().stdout_data;
  Tell(wire::ControlType::kResize, 40U << 16 | 132U);
  ReadUntil("132x40.");
  Feed("\x03");
  ReadUntil("interrupted");
  Feed("word\n");
  const auto& result = Result();
  EXPECT_EQ(result.cause, Cause::kExited) << result.message;
  EXPECT_TRUE(Said("'word'\r\n")) << result.stdout_data;
  EXPECT_EQ(result.stderr_data, "");
}

TEST_F(Supervisor, AllThatATerminalWasToldArrives) {
  StartLive("import os\nfor i in range(500): os.write(1, b'%08d' % i * 12 + b'\\n')\n", true);
  const auto& result = Result();
  std::string all = "up\r\n";
  for (int i = 0; i < 500; ++i) {
    const std::string number = std::to_string(100'000'000 + i).substr(1);
    for (int n = 0; n < 12; ++n) {
      all += number;
    }
    all += "\r\n";
  }
  EXPECT_EQ(result.stdout_data, all);
}

TEST_F(Supervisor, SaysWhichStepFailed) {
  sandbox::Spec spec = Python("");
  spec.argv = {"/nonexistent"};
  const auto result = Run(spec);
  EXPECT_EQ(result.cause, Cause::kInternal);
  EXPECT_NE(result.message.find("exec"), std::string::npos);
}

}  // namespace
}  // namespace docker
