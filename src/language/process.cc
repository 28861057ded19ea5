#include "language/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "base/unique_fd.h"

namespace language {
namespace {

constexpr size_t kMaxOutput = 64UL << 10;
constexpr base::Nanos kProgressEvery = 5 * base::kSecond;

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) {
    out.push_back(text.data());
  }
  out.push_back(nullptr);
  return out;
}

// Reads what is there without blocking and keeps the end of it.
void Drain(int fd, std::string* output) {
  std::array<char, 8192> buffer{};
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n <= 0) {
      return;
    }
    output->append(buffer.data(), static_cast<size_t>(n));
    if (output->size() > 2 * kMaxOutput) {
      output->erase(0, output->size() - kMaxOutput);
    }
  }
}

base::Result<pid_t> Spawn(const Command& command, int output_fd) {
  std::vector<std::string> argv = command.argv;
  std::vector<std::string> env;
  for (const auto& [name, value] : command.env) {
    env.push_back(name + "=" + value);
  }
  const std::vector<char*> argv_pointers = Pointers(argv);
  const std::vector<char*> env_pointers = Pointers(env);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output_fd, 1);
  ::posix_spawn_file_actions_adddup2(&actions, output_fd, 2);
  ::posix_spawn_file_actions_addchdir_np(&actions, command.folder.c_str());

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
  pid_t pid = -1;
  const int err = ::posix_spawn(&pid, argv[0].c_str(), &actions, &attributes, argv_pointers.data(),
                                env_pointers.data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (err != 0) {
    return base::SysError("start " + argv[0], err);
  }
  return pid;
}

}  // namespace

base::Result<CommandResult> BlockingRun(const Command& command) {
  if (command.argv.empty()) {
    return base::InvalidArgument("there is no command to run");
  }
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) {
    return base::SysError("pipe2", errno);
  }
  const base::UniqueFd read_end(fds[0]);
  base::UniqueFd write_end(fds[1]);
  // Only our end: a non-blocking stdout would surprise the tool.
  if (::fcntl(read_end.get(), F_SETFL, O_NONBLOCK) != 0) {
    return base::SysError("fcntl", errno);
  }
  const base::Result<pid_t> pid = Spawn(command, write_end.get());
  if (!pid) {
    return pid.error();
  }
  write_end.reset();
  const base::UniqueFd child(static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0)));
  if (!child.valid()) {
    const int err = errno;
    ::kill(-*pid, SIGKILL);
    ::waitpid(*pid, nullptr, 0);
    return base::SysError("pidfd_open", err);
  }

  const base::Nanos start = base::MonotonicNow();
  base::Nanos next_progress = kProgressEvery;
  CommandResult result;
  bool expired = false;
  bool pipe_open = true;
  for (;;) {
    const base::Nanos elapsed = base::MonotonicNow() - start;
    if (elapsed >= command.deadline) {
      expired = true;
      break;
    }
    if (command.on_progress && elapsed >= next_progress) {
      next_progress += kProgressEvery;
      command.on_progress(elapsed);
    }
    const base::Nanos wait = std::min(command.deadline, next_progress) - elapsed;
    std::array<pollfd, 2> polled = {
        {{child.get(), POLLIN, 0}, {pipe_open ? read_end.get() : -1, POLLIN, 0}}};
    const auto wait_ms = static_cast<int>(std::max<base::Nanos>(wait / base::kMillisecond + 1, 1));
    if (::poll(polled.data(), polled.size(), wait_ms) < 0 && errno != EINTR) {
      break;
    }
    if ((polled[1].revents & POLLIN) != 0) {
      Drain(read_end.get(), &result.output);
    } else if (polled[1].revents != 0) {
      pipe_open = false;
    }
    if (polled[0].revents != 0) {
      break;
    }
  }
  // The group first: it exists as long as the child has not been waited for, so the number cannot
  // belong to anyone else yet.
  ::kill(-*pid, SIGKILL);
  int status = 0;
  while (::waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
  }
  Drain(read_end.get(), &result.output);
  if (result.output.size() > kMaxOutput) {
    result.output.erase(0, result.output.size() - kMaxOutput);
  }
  if (expired) {
    return base::Error{
        base::ErrorKind::kDeadline,
        command.argv[0] + " did not end within " + base::FormatDuration(command.deadline), 0};
  }
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

std::vector<std::pair<std::string, std::string>> ToolEnv(
    const std::vector<std::pair<std::string, std::string>>& more) {
  // Below /dev/null not even root can make a folder, as Go's telemetry tries to.
  std::vector<std::pair<std::string, std::string>> env = more;
  const std::vector<std::pair<std::string, std::string>> defaults = {
      {"PATH", kToolPath}, {"HOME", "/dev/null"}, {"LANG", "C.UTF-8"}};
  for (const auto& entry : defaults) {
    if (std::none_of(more.begin(), more.end(),
                     [&](const auto& own) { return own.first == entry.first; })) {
      env.push_back(entry);
    }
  }
  return env;
}

}  // namespace language
