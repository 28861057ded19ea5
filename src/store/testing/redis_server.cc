#include "store/testing/redis_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <utility>

namespace store {
namespace {

constexpr int kStartMillis = 20'000;

void Require(bool condition, const char* what) {
  if (!condition) {
    throw std::runtime_error(std::string("test server: ") + what);
  }
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) {
    pointers.push_back(text.data());
  }
  pointers.push_back(nullptr);
  return pointers;
}

// Reads what the server says until it serves.
void AwaitReady(int fd) {
  const base::Nanos until = base::MonotonicNow() + kStartMillis * base::kMillisecond;
  std::string said;
  while (said.find("eady to accept connections") == std::string::npos) {
    pollfd poll{fd, POLLIN, 0};
    const base::Nanos left = (until - base::MonotonicNow()) / base::kMillisecond;
    Require(left > 0 && ::poll(&poll, 1, static_cast<int>(left)) == 1, "redis-server is not ready");
    char buffer[4096];
    const ssize_t n = ::read(fd, buffer, sizeof(buffer));
    Require(n > 0, ("redis-server did not start: " + said).c_str());
    said.append(buffer, static_cast<size_t>(n));
  }
}

}  // namespace

RedisServer::RedisServer(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {
  std::string pattern = (std::filesystem::temp_directory_path() / "redis_test.XXXXXX").string();
  Require(::mkdtemp(pattern.data()) != nullptr, "no folder");
  folder_ = pattern;
  const base::UniqueFd fd(::open((folder_ + "/clock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  Require(fd.valid() && ::ftruncate(fd.get(), sizeof(*clock_)) == 0, "no clock file");
  void* mapped = ::mmap(nullptr, sizeof(*clock_), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  Require(mapped != MAP_FAILED, "no clock");
  clock_ = static_cast<std::atomic<base::Nanos>*>(mapped);
  *clock_ = 1'000'000 * base::kSecond;
  Start();
}

RedisServer::~RedisServer() {
  Stop();
  ::munmap(clock_, sizeof(*clock_));
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

RedisServer& RedisServer::Shared() {
  static RedisServer server;
  return server;
}

RedisAddress RedisServer::address() const {
  RedisAddress address;
  address.path = folder_ + "/redis.sock";
  return address;
}

void RedisServer::Stop() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
  }
}

void RedisServer::Start() {
  std::vector<std::string> argv = {
      "redis-server", "--port", "0",           "--unixsocket", address().path, "--save", "",
      "--dir",        folder_,  "--daemonize", "no",           "--logfile",    ""};
  argv.insert(argv.end(), arguments_.begin(), arguments_.end());
  std::vector<std::string> environment = {"PATH=/usr/local/bin:/usr/bin:/bin",
                                          "LD_PRELOAD=" FAKE_CLOCK_PATH,
                                          "FAKE_CLOCK_FILE=" + folder_ + "/clock"};
  const std::vector<char*> argv_pointers = Pointers(argv);
  const std::vector<char*> environment_pointers = Pointers(environment);
  int ends[2];
  Require(::pipe2(ends, O_CLOEXEC) == 0, "no pipe");
  const base::UniqueFd from(ends[0]);
  base::UniqueFd to(ends[1]);
  pid_ = ::fork();
  Require(pid_ >= 0, "no process");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(to.get(), 1);
    ::dup2(to.get(), 2);
    ::execvpe("redis-server", argv_pointers.data(), environment_pointers.data());
    ::_exit(127);
  }
  to.reset();
  AwaitReady(from.get());
}

}  // namespace store
