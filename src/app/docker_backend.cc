#include "app/docker_backend.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/text.h"
#include "language/process.h"
#include "sandbox/policy.h"

namespace app {
namespace {

using base::Result;

constexpr base::Nanos kStartDeadline = 16 * base::kMinute;  // a warm-up has 15
constexpr int64_t kMiB = int64_t{1} << 20;

// Marks this service's containers: those of the same state folder on the same machine, or in the
// same container, are those of a service that has ended.
std::string Owner(const Config& config) {
  std::array<char, HOST_NAME_MAX + 1> host{};
  ::gethostname(host.data(), host.size() - 1);
  uint64_t state = 0xcbf29ce484222325ULL;  // FNV-1a
  for (const char c : host.data() + (":" + config.state_dir)) {
    state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  std::array<char, 20> out{};
  std::snprintf(out.data(), out.size(), "%016llx", static_cast<unsigned long long>(state));
  return out.data();
}

Result<std::string> FindProgram(const std::string& name) {
  const auto is_program = [](const std::string& path) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string::npos) {
    if (is_program(name)) {
      return name;
    }
    return base::InvalidArgument("SANDBOX_DOCKER_BIN: '" + base::Printable(name) +
                                 "' is not a program that can be executed");
  }
  const char* path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): one thread yet
  std::istringstream folders(path == nullptr ? language::kToolPath : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = folder + "/" + name;
    if (is_program(candidate)) {
      return candidate;
    }
  }
  return base::InvalidArgument("SANDBOX_DOCKER_BIN: '" + base::Printable(name) +
                               "' is not installed: no such program in PATH");
}

// The image of SANDBOX_CONTAINER, for single-use containers when none is named.
Result<std::string> ImageOf(const std::string& program, const std::string& container) {
  language::Command command;
  command.argv = {program,    "inspect",           "--type", "container",
                  "--format", "{{.Config.Image}}", container};
  for (const char* name : {"DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT",
                           "DOCKER_CONFIG", "HOME", "PATH", "XDG_RUNTIME_DIR"}) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread yet
    if (value != nullptr) {
      command.env.emplace_back(name, value);
    }
  }
  const auto result = language::BlockingRun(command);
  if (!result || result->exit_code != 0) {
    return base::InvalidArgument(
        "SANDBOX_DOCKER_IMAGE is not set, and the image of SANDBOX_CONTAINER (" + container +
        ") cannot be found out: " +
        (result ? base::Printable(result->output, 300) : result.error().message));
  }
  return result->output.substr(0, result->output.find('\n'));
}

// A container exists before its job is known: its bounds are those of the largest step.
void SizeContainers(const Config& config, const language::Registry& languages,
                    docker::BrokerOptions* broker) {
  constexpr int64_t kCompileMemory = 1024 * kMiB;  // executor::Options
  constexpr int64_t kCompileProcesses = 256;
  broker->memory_bytes = std::max(config.max_memory, kCompileMemory);
  broker->processes = std::max(config.max_processes, kCompileProcesses);
  for (const language::Language& language : languages.all()) {
    for (const language::Step* step :
         {&language.run, language.compile ? &*language.compile : &language.run}) {
      broker->memory_bytes = std::max(broker->memory_bytes, step->memory_bytes);
      broker->processes = std::max(broker->processes, step->processes);
    }
  }
  // The work folder and /tmp, and the files that a job is given.
  constexpr int64_t kInputs = 64 * kMiB;
  broker->folder_bytes = 2 * (config.max_file_bytes + kInputs);
  broker->memory_bytes += broker->folder_bytes;
  broker->processes += 16;
  broker->cpus = std::to_string(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
}

}  // namespace

Result<PreparedDocker> PrepareDocker(const Config& config, const language::Registry& languages) {
  PreparedDocker out;
  docker::Options& options = out.options;
  auto containers = docker::ParseLanguageContainers(config.language_containers);
  if (!containers) {
    return containers.error();
  }
  auto program = FindProgram(config.docker_bin);
  if (!program) {
    return program.error();
  }
  auto filters = sandbox::CompileFilters(config.seccomp_dir);
  if (!filters) {
    return filters.error();
  }
  auto bytes = docker::ReadFilters(*filters);
  if (!bytes) {
    return bytes.error();
  }
  options.single_use = config.docker_mode == "single-use";
  options.container = config.container;
  options.container_set = config.container_set;
  options.discover = containers->empty();
  options.language_containers = std::move(*containers);
  options.job_dir = config.job_dir;
  options.user = config.docker_user;
  options.network = config.network;
  options.owner = Owner(config);
  options.slots = static_cast<int>(config.slots);
  options.filters = std::move(*bytes);
  // Without capabilities root is of no use, and it owns too much.
  if (options.single_use && (options.user == "0" || options.user.starts_with("0:"))) {
    options.user = "65534:65534";
  }
  options.image = config.docker_image;
  if (options.single_use && options.image.empty()) {
    auto image = ImageOf(*program, config.container);
    if (!image) {
      return image.error();
    }
    options.image = std::move(*image);
  }
  auto supervisor = docker::InstallSupervisor(config.supervisor, config.job_dir, options.user);
  if (!supervisor) {
    return supervisor.error();
  }
  docker::BrokerOptions broker;
  broker.broker = config.docker_broker;
  broker.docker_bin = *program;
  broker.user = options.user;
  broker.supervisor = std::move(*supervisor);
  broker.job_dir = config.job_dir;
  broker.network = config.network;
  broker.image = options.image;
  broker.runtime = config.docker_runtime;
  broker.owner = options.owner;
  SizeContainers(config, languages, &broker);
  auto started = docker::StartBroker(broker);
  if (!started) {
    return started.error();
  }
  out.broker = std::move(*started);
  return out;
}

Result<std::unique_ptr<docker::Backend>> OpenDocker(boost::asio::io_context& loop,
                                                    PreparedDocker prepared,
                                                    language::Registry& languages,
                                                    std::function<void()> languages_changed,
                                                    std::function<void()> lost) {
  prepared.options.languages_changed = std::move(languages_changed);
  auto backend = docker::MakeBackend(loop, std::move(prepared.options), std::move(prepared.broker),
                                     languages, std::move(lost));
  const base::Nanos deadline = base::MonotonicNow() + kStartDeadline;
  while (!backend->settled() && base::MonotonicNow() < deadline && !loop.stopped()) {
    loop.run_one_for(std::chrono::seconds(1));
  }
  loop.restart();
  const std::string problem = backend->Problem();
  if (!problem.empty()) {
    return base::Error{base::ErrorKind::kUnavailable, "SANDBOX_BACKEND=docker: " + problem, 0};
  }
  return backend;
}

std::function<std::vector<http::ContainerHealth>()> ContainersForHealth(
    const docker::Backend* backend) {
  if (backend == nullptr) {
    return nullptr;
  }
  return [backend] {
    std::vector<http::ContainerHealth> out;
    for (docker::ContainerHealth& c : backend->Health()) {
      out.push_back({std::move(c.name), std::move(c.languages), std::move(c.state), c.slots,
                     c.running, std::move(c.error)});
    }
    return out;
  };
}

}  // namespace app
