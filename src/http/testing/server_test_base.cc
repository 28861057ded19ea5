#include "http/testing/server_test_base.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace http {

namespace asio = boost::asio;

namespace {

language::Registry MakeLanguages() {
  std::string folder = (std::filesystem::temp_directory_path() / "http-test-XXXXXX").string();
  EXPECT_NE(::mkdtemp(folder.data()), nullptr);
  const auto write = [&folder](const std::string& id, const std::string& tool) {
    std::ofstream(folder + "/" + id + ".toml")
        << "id = \"" << id << "\"\nname = \"The " << id << "\"\naliases = [\"" << id
        << "1\"]\nextensions = [\"x\"]\nsource = \"main.x\"\nsample = \"echo hi\"\n"
        << "install = \"apt-get install " << id << "\"\n[detect]\ntools = [\"" << tool
        << "\"]\nversion_argv = [\"{tool}\", \"-c\", \"echo v1.2.3\"]\n"
        << "version_pattern = 'v(\\d+\\.\\d+\\.\\d+)'\n[run]\nargv = [\"{tool}\", \"{source}\"]\n";
  };
  write("shell", "/bin/sh");
  write("absent", "/nonexistent/tool");
  base::Result<language::Registry> registry = language::Registry::Load(folder);
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(registry) << (registry ? "" : registry.error().message);
  if (!registry) {
    return {};
  }
  registry->Detect();
  return std::move(*registry);
}

}  // namespace

struct ServerTest::Loop {
  asio::io_context context;
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
};

ServerTest::ServerTest()
    : owned_loop_(std::make_unique<Loop>()), loop_(owned_loop_->context), store_(loop_) {
  options_.host = "127.0.0.1";
}

ServerTest::~ServerTest() = default;

void ServerTest::TearDown() {
  OnLoop([this] { server_.reset(); });
  owned_loop_->work.reset();
  loop_.stop();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void ServerTest::Start() {
  options_.port = 0;
  service_.emplace(service_options_, store_, Languages());
  server_.emplace(loop_, options_, health_, *service_);
  const base::Result<uint16_t> port = server_->Listen();
  ASSERT_TRUE(port) << port.error().message;
  port_ = *port;
  thread_ = std::thread([this] { loop_.run(); });
}

const language::Registry& ServerTest::Languages() {
  static const language::Registry languages = MakeLanguages();
  return languages;
}

void ServerTest::PostOnLoop(std::function<void()> f) {
  asio::post(loop_, std::move(f));
}

void ServerTest::WhenWatched(std::function<void()> f) {
  OnLoop([this, f] { store_.on_watch = [this, f] { PostOnLoop(f); }; });
}

std::string ServerTest::AddJob(job::Status status) {
  std::string id = "job_4567890123456789-Z";
  OnLoop([this, id, status] {
    job::Job job;
    job.id = id;
    job.submission.language = "shell";
    job.created_at = base::kSecond;
    store_.jobs[id] = job;
    store_.SetStatus(id, status);
  });
  return id;
}

bool ServerTest::Eventually(std::function<bool()> condition) {
  const base::Nanos deadline = base::MonotonicNow() + 5 * base::kSecond;
  while (base::MonotonicNow() < deadline) {
    if (OnLoop(condition)) {
      return true;
    }
    std::this_thread::yield();
  }
  return false;
}

}  // namespace http
