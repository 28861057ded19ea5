#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "docker/cli.h"
#include "linux/syscall.h"

extern "C" {
extern char** environ;
}

namespace docker {
namespace {

// What docker and podman read of their environment. DOCKER_HOST has been checked.
std::vector<std::string> CliEnvironment() {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    for (const char* name : {"DOCKER_", "CONTAINER_", "CONTAINERS_", "XDG_RUNTIME_DIR=",
                             "XDG_CONFIG_HOME=", "XDG_DATA_HOME=", "HOME=", "PATH=", "LANG="}) {
      if (text.starts_with(name)) {
        out.emplace_back(text);
        break;
      }
    }
  }
  return out;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) {
    out.push_back(text.data());
  }
  out.push_back(nullptr);
  return out;
}

std::string Variable(const char* name) {
  const char* value = ::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread yet
  return value == nullptr ? "" : value;
}

}  // namespace

base::Result<void> CheckDockerHost(std::string_view host, bool tls_verify) {
  const bool local = host.empty() || host.starts_with("unix://") || host.starts_with("fd://") ||
                     host.starts_with("ssh://");
  if (local || tls_verify) {
    return {};
  }
  return base::InvalidArgument("DOCKER_HOST: '" + std::string(host) +
                               "' is not accepted; it must be unix:// or ssh://, or TLS must be "
                               "on with DOCKER_TLS_VERIFY=1");
}

base::Result<Broker> StartBroker(const BrokerOptions& options) {
  const std::string verify = Variable("DOCKER_TLS_VERIFY");
  if (auto checked = CheckDockerHost(Variable("DOCKER_HOST"), !verify.empty()); !checked) {
    return checked.error();
  }
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    return base::SysError("socketpair", errno);
  }
  Broker broker;
  broker.socket.reset(pair[0]);
  base::UniqueFd theirs(pair[1]);
  if (theirs.get() == 3) {  // dup2 onto itself would keep close-on-exec
    theirs.reset(::fcntl(theirs.get(), F_DUPFD_CLOEXEC, 10));
  }
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), 3);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 4);
  std::vector<std::string> argv = {"sandbox-docker-broker",
                                   options.docker_bin,
                                   options.user,
                                   options.supervisor,
                                   options.job_dir,
                                   options.network,
                                   options.image,
                                   options.runtime,
                                   options.owner,
                                   std::to_string(options.memory_bytes),
                                   std::to_string(options.processes),
                                   options.cpus,
                                   std::to_string(options.folder_bytes)};
  std::vector<std::string> env = CliEnvironment();
  const std::vector<char*> argv_pointers = Pointers(argv);
  const std::vector<char*> env_pointers = Pointers(env);
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, options.broker.c_str(), &actions, nullptr,
                                  argv_pointers.data(), env_pointers.data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return base::SysError("start " + options.broker, error);
  }
  broker.process.reset(linux::PidfdOpen(pid));
  return broker;
}

}  // namespace docker
