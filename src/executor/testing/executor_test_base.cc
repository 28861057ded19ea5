#include "executor/testing/executor_test_base.h"

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "base/text.h"

namespace executor {
namespace {

// Two languages that every machine detects, because their tool is the shell.
language::Registry MakeLanguages() {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / ("languages-" + base::RandomId());
  std::filesystem::create_directories(folder);
  const auto write = [&](const std::string& id, const std::string& tool, const std::string& more) {
    std::ofstream(folder / (id + ".toml"))
        << "id = '" << id << "'\nname = 'X'\nextensions = ['x']\nsource = 'main.x'\nsample = 'x'\n"
        << "install = 'x'\n[detect]\ntools = ['" << tool << "']\n"
        << "version_argv = ['{tool}', '-c', 'echo v1']\nversion_pattern = 'v(.)'\n"
        << more;
  };
  write("script", "sh", "[run]\nargv = ['{tool}', '{source}']\nenv = { A = 'b' }\n");
  write("native", "sh",
        "[compile]\nargv = ['{tool}', 'build', '{source}']\noutput = 'prog'\nmemory = '2GiB'\n"
        "[run]\nargv = ['./prog']\nprocesses = 100\n");
  write("absent", "no-such-tool", "[run]\nargv = ['{tool}']\n");
  base::Result<language::Registry> registry = language::Registry::Load(folder);
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(registry) << registry.error().message;
  registry->Detect();
  EXPECT_TRUE(registry->Find("script")->available);
  return *std::move(registry);
}

}  // namespace

ExecutorTest::ExecutorTest()
    : owned_loop_(std::make_unique<boost::asio::io_context>()),
      loop_(*owned_loop_),
      store_(loop_),
      backend_(loop_),
      languages_(MakeLanguages()) {
  options_.worker = "test";
}

ExecutorTest::~ExecutorTest() = default;

void ExecutorTest::Start() {
  executor_ = std::make_unique<Executor>(loop_, options_, store_, backend_, languages_);
  executor_->Start();
}

void ExecutorTest::Queue(const std::string& id, const std::string& language) {
  job::Job job;
  job.id = id;
  job.submission.language = language;
  job.submission.code = "code of " + id;
  job.submission.stdin_data = "stdin of " + id;
  job.created_at = 1000;
  store_.Queue(std::move(job));
}

base::Result<std::shared_ptr<job::Session>> ExecutorTest::Begin(const std::string& id,
                                                                const std::string& language,
                                                                bool terminal) {
  job::Job job;
  job.id = id;
  job.submission.language = language;
  job.submission.interactive = true;
  if (terminal) {
    job.submission.terminal = job::TerminalSize{5, 6};
  }
  std::optional<base::Result<std::shared_ptr<job::Session>>> answer;
  executor_->Begin(std::move(job), [&](auto session) { answer.emplace(std::move(session)); });
  EXPECT_FALSE(answer) << "from within the call";
  EXPECT_TRUE(Until([&] { return answer.has_value(); }));
  return *std::move(answer);
}

bool ExecutorTest::Until(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    loop_.restart();
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    loop_.run_one_until(deadline);
  }
  return true;
}

}  // namespace executor
