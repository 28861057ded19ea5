// sandbox-docker-broker: starts the Docker CLI for sandboxd.
//
// Whoever may talk to the Docker daemon is root on its host, so sandboxd, which talks to the
// network, may not. It starts this program before it gives up its privileges, and then asks over
// one SOCK_SEQPACKET socket (descriptor 3) for commands out of a fixed list (templates.h), whose
// standard streams it brings along. Each command has a deadline and a process group of its own.
// When the socket ends, all commands are killed and the broker ends.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "docker/broker/templates.h"
#include "linux/message.h"
#include "linux/syscall.h"

extern "C" {
extern char** environ;
}

namespace docker::broker {
namespace {

constexpr int kSocket = 3;
constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kMaxDeadline = int64_t{3600} * 1'000 * kMillisecond * 48;

int64_t Now() {
  timespec ts{};
  ::clock_gettime(CLOCK_MONOTONIC, &ts);
  return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

struct Running {
  uint64_t id = 0;
  pid_t pid = 0;
  base::UniqueFd process;
  int64_t deadline = 0;
  bool timed_out = false;
};

class Broker {
 public:
  explicit Broker(Settings settings) : settings_(std::move(settings)) {}

  void Serve() {
    while (Turn()) {
    }
    for (const Running& running : running_) {
      Kill(running);
    }
  }

 private:
  // False when sandboxd is gone.
  bool Turn() {
    std::vector<pollfd> polled = {{kSocket, POLLIN, 0}};
    int64_t next = Now() + int64_t{60'000} * kMillisecond;
    for (const Running& running : running_) {
      polled.push_back({running.process.get(), POLLIN, 0});
      next = std::min(next, running.deadline);
    }
    const int64_t wait = std::max<int64_t>(0, (next - Now()) / kMillisecond + 1);
    if (::poll(polled.data(), polled.size(), static_cast<int>(wait)) < 0 && errno != EINTR) {
      return false;
    }
    const int64_t now = Now();
    std::vector<Running> left;
    for (size_t i = 0; i < running_.size(); ++i) {
      Running& running = running_[i];
      if (polled[i + 1].revents != 0) {
        End(running);
        continue;
      }
      if (now >= running.deadline && !running.timed_out) {
        running.timed_out = true;
        running.deadline = now + kMaxDeadline;
        Kill(running);
      }
      left.push_back(std::move(running));
    }
    running_ = std::move(left);
    return polled[0].revents == 0 || Receive();
  }

  bool Receive() {
    wire::Request request{};
    int fds[linux::kMaxMessageFds];
    int count = 0;
    const ssize_t n =
        linux::ReceiveMessage(kSocket, &request, sizeof(request), fds, &count, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) {
      return true;
    }
    std::array<base::UniqueFd, linux::kMaxMessageFds> streams;
    for (int i = 0; i < count; ++i) {
      streams[static_cast<size_t>(i)].reset(fds[i]);
    }
    if (n != sizeof(request) || request.version != wire::kVersion) {
      return false;
    }
    if (request.type == static_cast<uint32_t>(wire::RequestType::kKill)) {
      for (const Running& running : running_) {
        if (running.id == request.id) {
          Kill(running);
        }
      }
      return true;
    }
    const int error = request.type != static_cast<uint32_t>(wire::RequestType::kStart) ||
                              count != wire::kRequestFds || request.deadline <= 0
                          ? EINVAL
                          : Start(request, fds);
    if (error != 0) {
      wire::Reply reply{};
      reply.id = request.id;
      reply.error = error;
      Answer(reply);
    }
    return true;
  }

  int Start(const wire::Request& request, const int* fds) {
    if (running_.size() >= wire::kMaxCommands) {
      return EAGAIN;
    }
    const size_t length = ::strnlen(request.name.data(), request.name.size());
    const std::string name(request.name.data(), length);
    if (length == request.name.size() || request.command == 0 ||
        request.command > static_cast<uint32_t>(wire::Command::kLast)) {
      return EINVAL;
    }
    std::vector<std::string> argv =
        CommandLine(settings_, static_cast<wire::Command>(request.command), name);
    if (argv.empty()) {
      return EINVAL;
    }
    // 0 to 2 are /dev/null or stderr here: what arrives lies above them.
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    for (int i = 0; i < wire::kRequestFds; ++i) {
      ::posix_spawn_file_actions_adddup2(&actions, fds[i], i);
    }
    ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(
        &attributes,
        static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
    std::vector<char*> pointers;
    for (std::string& text : argv) {
      pointers.push_back(text.data());
    }
    pointers.push_back(nullptr);
    Running running;
    const int error =
        ::posix_spawnp(&running.pid, pointers[0], &actions, &attributes, pointers.data(), environ);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
      return error;
    }
    running.id = request.id;
    running.process.reset(linux::PidfdOpen(running.pid));
    running.deadline = Now() + std::min(request.deadline, kMaxDeadline);
    if (!running.process.valid()) {
      const int failure = errno;
      Kill(running);
      ::waitpid(running.pid, nullptr, 0);
      return failure;
    }
    running_.push_back(std::move(running));
    return 0;
  }

  // The group exists as long as its leader has not been waited for.
  static void Kill(const Running& running) { ::kill(-running.pid, SIGKILL); }

  static void End(const Running& running) {
    Kill(running);  // what it may have started
    wire::Reply reply{};
    reply.id = running.id;
    reply.timed_out = running.timed_out ? 1 : 0;
    ::waitpid(running.pid, &reply.wait_status, 0);
    Answer(reply);
  }

  // Waits for a sandboxd that does not read: there is nobody else to serve. Its deadlines it keeps
  // itself.
  static void Answer(wire::Reply reply) {
    reply.version = wire::kVersion;
    linux::SendMessage(kSocket, &reply, sizeof(reply), nullptr, 0);
  }

  const Settings settings_;
  std::vector<Running> running_;
};

int Main(int argc, char** argv) {
  struct stat info {};

  if (argc != kSettings + 1 || ::fstat(kSocket, &info) != 0 || !S_ISSOCK(info.st_mode)) {
    std::fputs("sandbox-docker-broker is started by sandboxd and not by hand\n", stderr);
    return 2;
  }
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGTERM, SIG_IGN);
  ::setsid();
  ::umask(022);
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || ::fcntl(kSocket, F_SETFD, FD_CLOEXEC) != 0) {
    return 1;
  }
  const Settings settings{argv[1], argv[2], argv[3], argv[4],  argv[5],  argv[6],
                          argv[7], argv[8], argv[9], argv[10], argv[11], argv[12]};
  Broker(settings).Serve();
  return 0;
}

}  // namespace
}  // namespace docker::broker

int main(int argc, char** argv) {
  return docker::broker::Main(argc, argv);
}
