#include "app/config.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <tuple>

#include "app/api_keys.h"
#include "base/text.h"
#include "store/redis_socket.h"

namespace app {
namespace {

using base::Nanos;

constexpr size_t kMaxWebhookPorts = 64;
constexpr int64_t kKiB = 1024;
constexpr int64_t kMiB = 1024 * kKiB;
constexpr int64_t kGiB = 1024 * kMiB;

// "256MiB", "64KiB", "1GiB" or plain bytes.
std::optional<int64_t> ParseSize(std::string_view text) {
  int64_t unit = 1;
  for (const auto& [suffix, factor] :
       {std::pair<std::string_view, int64_t>{"KiB", kKiB}, {"MiB", kMiB}, {"GiB", kGiB}}) {
    if (text.ends_with(suffix)) {
      unit = factor;
      text.remove_suffix(suffix.size());
      break;
    }
  }
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  int64_t bytes = 0;
  if (error != std::errc() || end != text.data() + text.size() || value < 0 ||
      __builtin_mul_overflow(value, unit, &bytes)) {
    return std::nullopt;
  }
  return bytes;
}

std::optional<int64_t> ParseInteger(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty()
             ? std::optional(value)
             : std::nullopt;
}

// One row of the table: how a variable is read, and how it is documented. `read` returns what is
// accepted when the text is not.
struct Variable {
  const char* name;
  std::string fallback;       // the default as one would write it
  const char* shown_default;  // in the documentation, when it depends on the machine
  const char* meaning;
  std::function<std::optional<std::string>(Config&, const std::string&)> read;
  bool secret = false;
};

using Reader = std::function<std::optional<std::string>(Config&, const std::string&)>;

Reader Text(std::string Config::*member, bool may_be_empty = false) {
  return [=](Config& c, const std::string& text) -> std::optional<std::string> {
    if ((text.empty() && !may_be_empty) || text.find('\n') != std::string::npos) {
      return "one line of text that is not empty";
    }
    c.*member = text;
    return std::nullopt;
  };
}

Reader Choice(std::string Config::*member, std::vector<std::string> choices) {
  return [=](Config& c, const std::string& text) -> std::optional<std::string> {
    if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
      std::string accepted = "one of";
      for (const std::string& choice : choices) {
        accepted += (accepted == "one of" ? " " : ", ") + choice;
      }
      return accepted;
    }
    c.*member = text;
    return std::nullopt;
  };
}

Reader Duration(Nanos Config::*member, Nanos min, Nanos max) {
  return [=](Config& c, const std::string& text) -> std::optional<std::string> {
    const auto value = base::ParseDuration(text);
    if (!value || *value < min || *value > max) {
      return "a duration such as 500ms, 10s or 1m30s, from " + base::FormatDuration(min) + " to " +
             base::FormatDuration(max);
    }
    c.*member = *value;
    return std::nullopt;
  };
}

Reader Integer(int64_t Config::*member, int64_t min, int64_t max) {
  return [=](Config& c, const std::string& text) -> std::optional<std::string> {
    const auto value = ParseInteger(text);
    if (!value || *value < min || *value > max) {
      return "a whole number from " + std::to_string(min) + " to " + std::to_string(max);
    }
    c.*member = *value;
    return std::nullopt;
  };
}

Reader Size(int64_t Config::*member, int64_t min, int64_t max) {
  return [=](Config& c, const std::string& text) -> std::optional<std::string> {
    const auto value = ParseSize(text);
    if (!value || *value < min || *value > max) {
      return "a size such as 64KiB, 256MiB or 1GiB, from " + std::to_string(min) + " to " +
             std::to_string(max) + " bytes";
    }
    c.*member = *value;
    return std::nullopt;
  };
}

// An IP address, or a name as RFC 1123 has them. Digits and dots that are no address are no name
// either.
std::optional<std::string> ReadHost(Config& c, const std::string& text) {
  std::array<unsigned char, 16> address{};
  const bool literal = ::inet_pton(AF_INET, text.c_str(), address.data()) == 1 ||
                       ::inet_pton(AF_INET6, text.c_str(), address.data()) == 1;
  const bool name =
      !text.empty() && text.size() <= 253 &&
      text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") ==
          std::string::npos &&
      text.find_first_not_of("0123456789.") != std::string::npos;
  if (!literal && !name) {
    return "an IP address or a host name";
  }
  c.http_host = text;
  return std::nullopt;
}

std::optional<std::string> ReadPort(Config& c, const std::string& text) {
  const auto value = ParseInteger(text);
  if (!value || *value < 1 || *value > 65535) {
    return "a port number from 1 to 65535";
  }
  c.http_port = static_cast<uint16_t>(*value);
  return std::nullopt;
}

std::optional<std::string> ReadWarmStart(Config& c, const std::string& text) {
  if (text.empty() ||
      text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+#._-,") != std::string::npos) {
    return "on, off, or ids of languages with commas between";
  }
  c.warm_start = text;
  return std::nullopt;
}

std::optional<std::string> ReadCors(Config& c, const std::string& text) {
  base::Result<http::CorsPolicy> policy = http::ParseCorsPolicy(text);
  if (!policy) {
    return policy.error().message;
  }
  c.http_cors = std::move(*policy);
  return std::nullopt;
}

std::optional<std::string> ReadApiKeys(Config& c, const std::string& text) {
  auto keys = ParseApiKeys(text);
  if (!keys) {
    return keys.error().message;
  }
  c.http_api_keys = std::move(*keys);
  return std::nullopt;
}

std::optional<std::string> ReadWebhookPorts(Config& c, const std::string& text) {
  c.http_webhook_ports.clear();
  for (std::string_view rest = text;;) {
    const std::string_view one = rest.substr(0, rest.find(','));
    const auto port = ParseInteger(one);
    if (!port || *port < 1 || *port > 65535 || c.http_webhook_ports.size() >= kMaxWebhookPorts) {
      return "up to " + std::to_string(kMaxWebhookPorts) +
             " port numbers from 1 to 65535, separated by commas";
    }
    c.http_webhook_ports.push_back(static_cast<uint16_t>(*port));
    if (one.size() == rest.size()) {
      return std::nullopt;
    }
    rest.remove_prefix(one.size() + 1);
  }
}

std::optional<std::string> ReadRedisAddr(Config& c, const std::string& text) {
  if (!store::ParseRedisAddresses(text)) {
    return "host:port or unix:/path, or several of them separated by commas";
  }
  c.redis_addr = text;
  return std::nullopt;
}

std::optional<std::string> ReadRedisKeyPrefix(Config& c, const std::string& text) {
  if (text.empty() || text.size() > 64 ||
      text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") !=
          std::string::npos) {
    return "1 to 64 letters, digits, '-', '_' and '.'";
  }
  c.redis_key_prefix = text;
  return std::nullopt;
}

std::optional<std::string> ReadDockerUser(Config& c, const std::string& text) {
  const size_t colon = text.find(':');
  const std::string_view user = std::string_view(text).substr(0, colon);
  const bool group_ok = colon == std::string::npos ||
                        ParseInteger(std::string_view(text).substr(colon + 1)).value_or(-1) >= 0;
  if (ParseInteger(user).value_or(-1) < 0 || !group_ok) {
    return "uid or uid:gid in numbers";
  }
  c.docker_user = text;
  return std::nullopt;
}

// As Docker has the names of images, runtimes and networks, as far as it matters here: no option.
Reader DockerWord(std::string Config::*member, bool may_be_empty) {
  return [=](Config& c, const std::string& text) -> std::optional<std::string> {
    const auto alnum = [](char ch) { return std::isalnum(static_cast<unsigned char>(ch)) != 0; };
    const bool good = text.empty()
                          ? may_be_empty
                          : text.size() < 256 && alnum(text.front()) &&
                                std::all_of(text.begin(), text.end(), [&](char ch) {
                                  return alnum(ch) || std::string_view("_.-/:@").find(ch) !=
                                                          std::string_view::npos;
                                });
    if (!good) {
      return "a name of letters, digits and _.-/:@";
    }
    c.*member = text;
    return std::nullopt;
  };
}

std::string DefaultStateDir(const Environment& environment) {
  if (::geteuid() == 0) {
    return "/var/lib/code-sandbox";
  }
  if (const auto state = environment("XDG_STATE_HOME"); state && state->starts_with('/')) {
    return *state + "/code-sandbox";
  }
  return environment("HOME").value_or("/tmp") + "/.local/state/code-sandbox";
}

// The folder of this program, for what is shipped beside it.
std::string ProgramDir() {
  std::string path(4096, '\0');
  const ssize_t n = ::readlink("/proc/self/exe", path.data(), path.size());
  path.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return path.substr(0, path.rfind('/'));
}

std::vector<Variable> Variables(const Environment& environment) {
  const std::string user = std::to_string(::getuid()) + ":" + std::to_string(::getgid());
  const std::string cores = std::to_string(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  const std::string here = ProgramDir();
  return {
      {"HTTP_HOST", "0.0.0.0", nullptr, "Address to bind; `./dev run` sets 127.0.0.1", ReadHost},
      {"HTTP_PORT", "8080", nullptr, "Port", ReadPort},
      {"HTTP_READ_TIMEOUT", "5s", nullptr, "Time to read a whole request",
       Duration(&Config::http_read_timeout, base::kMillisecond, base::kHour)},
      {"HTTP_WRITE_TIMEOUT", "10s", nullptr,
       "Time to write a response; a wait extends it, a stalled reader does not",
       Duration(&Config::http_write_timeout, base::kMillisecond, base::kHour)},
      {"HTTP_SHUTDOWN_TIMEOUT", "15s", nullptr,
       "Graceful stop: no new work, running jobs finish or go back to the queue",
       Duration(&Config::http_shutdown_timeout, 0, base::kHour)},
      {"HTTP_MAX_BODY", "32MiB", nullptr, "Largest request body",
       Size(&Config::http_max_body, kKiB, kGiB)},
      {"HTTP_MAX_CONNECTIONS", "4096", nullptr,
       "Connections at once; more wait in the kernel's backlog. One client may have three quarters",
       Integer(&Config::http_max_connections, 1, 1'000'000)},
      {"HTTP_CORS_ORIGINS", "", nullptr,
       "Web pages that may use the API from a browser: "
       "`https://example.org,http://localhost:3000`, "
       "or `*`; others may only read what is public or known by its id",
       ReadCors},
      {"HTTP_SESSION_IDLE", "5m", nullptr,
       "An interactive session in which neither side has said anything for so long is ended",
       Duration(&Config::http_session_idle, base::kSecond, 24 * base::kHour)},
      {"HTTP_METRICS", "local", nullptr,
       "Who may read `/metrics`: local (clients on this machine, not through a proxy) or all",
       Choice(&Config::http_metrics, {"local", "all"})},
      {"HTTP_AUTH", "auto", nullptr,
       "Whether calls need an API key (docs/security.md): auto (when there is one), required, off",
       Choice(&Config::http_auth, {"auto", "required", "off"})},
      {"HTTP_API_KEYS", "", "empty",
       "API keys without limits of their own: `name=key`, separated by commas", ReadApiKeys, true},
      {"HTTP_API_KEYS_FILE", "", "empty",
       "File of API keys with their limits (docs/operations.md); read once, before root is given "
       "up",
       Text(&Config::http_api_keys_file, true)},
      {"HTTP_WEBHOOKS", "off", nullptr,
       "Whether jobs may have webhooks: off, public (to addresses of the Internet), or all (to "
       "private and local ones, too)",
       Choice(&Config::http_webhooks, {"off", "public", "all"})},
      {"HTTP_WEBHOOK_PORTS", "443,80", nullptr, "Ports that webhooks may go to", ReadWebhookPorts},
      {"HTTP_WEBHOOK_TIMEOUT", "10s", nullptr, "Time for one request of a webhook",
       Duration(&Config::http_webhook_timeout, base::kMillisecond, 5 * base::kMinute)},
      {"HTTP_WEBHOOK_ATTEMPTS", "8", nullptr, "How often one is tried, while its job is kept",
       Integer(&Config::http_webhook_attempts, 1, 100)},
      {"HTTP_WEBHOOK_PAUSE", "5s", nullptr,
       "Pause after the first failure; four times as long after each further one, up to an hour",
       Duration(&Config::http_webhook_pause, base::kMillisecond, base::kHour)},
      {"HTTP_WEBHOOK_SECRET", "", "empty", "Signs the webhooks of jobs that bring no secret",
       Text(&Config::http_webhook_secret, true), true},
      {"HTTP_WEBHOOK_CA", "", "the system's",
       "File of the certificate authorities that webhooks' servers may have",
       Text(&Config::http_webhook_ca, true)},
      {"ROLE", "all", nullptr,
       "all, api (takes jobs and tells of them) or worker (runs them); api and worker need "
       "JOB_STORE=redis. The option --role says the same",
       Choice(&Config::role, {"all", "api", "worker"})},
      {"REDIS_ADDR", "redis:6379", nullptr,
       "Redis as host:port or unix:/path; setting it selects JOB_STORE=redis under auto. Several, "
       "separated by commas: the one that is the master is used",
       ReadRedisAddr},
      {"REDIS_USERNAME", "", "empty", "Redis ACL user; empty: the default user",
       Text(&Config::redis_username, true)},
      {"REDIS_PASSWORD", "", "empty", "Redis password", Text(&Config::redis_password, true), true},
      {"REDIS_DB", "0", nullptr, "Redis database index", Integer(&Config::redis_db, 0, 1'000'000)},
      {"REDIS_KEY_PREFIX", "code-sandbox", nullptr,
       "Begins all keys and channels, so that several deployments can share a Redis",
       ReadRedisKeyPrefix},
      {"REDIS_TLS", "off", nullptr, "on: speak TLS with Redis and check its name",
       Choice(&Config::redis_tls, {"off", "on"})},
      {"REDIS_TLS_CA", "", "the system's",
       "File of the certificate authorities that Redis may have",
       Text(&Config::redis_tls_ca, true)},
      {"JOB_STORE", "auto", nullptr,
       "auto, memory, sqlite or redis. auto: redis when REDIS_ADDR is set, else sqlite under "
       "STATE_DIR",
       Choice(&Config::job_store, {"auto", "memory", "sqlite", "redis"})},
      {"STATE_DIR", DefaultStateDir(environment),
       "/var/lib/code-sandbox for root, else $XDG_STATE_HOME/code-sandbox or "
       "~/.local/state/code-sandbox",
       "Folder of the embedded store and of caches", Text(&Config::state_dir)},
      {"JOB_TTL", "1h", nullptr, "How long finished jobs are kept",
       Duration(&Config::job_ttl, base::kSecond, base::Nanos{24} * 365 * base::kHour)},
      {"SANDBOX_QUEUE_SIZE", "10000", nullptr, "Jobs that may wait; more are answered with 429",
       Integer(&Config::queue_size, 1, 100'000'000)},
      {"SANDBOX_BACKEND", "auto", nullptr,
       "auto, native or docker. auto: docker when SANDBOX_CONTAINER or SANDBOX_LANGUAGE_CONTAINERS "
       "is set, else native",
       Choice(&Config::backend, {"auto", "native", "docker"})},
      {"SANDBOX_CONTAINER", "code-sandbox-runner", nullptr,
       "The persistent runner container (docker backend)", DockerWord(&Config::container, false)},
      {"SANDBOX_LANGUAGE_CONTAINERS", "", "empty",
       "Containers per language, `go=a|b,python=c` (docker backend); empty: running containers "
       "with "
       "the label sandbox.language, and SANDBOX_CONTAINER when there is none or when it is set",
       Text(&Config::language_containers, true)},
      {"SANDBOX_JOB_DIR", "/tmp/jobs", nullptr,
       "Host folder of job files (docker backend: the volume shared with the runner)",
       Text(&Config::job_dir)},
      {"SANDBOX_DOCKER_BIN", "docker", nullptr, "The Docker CLI to invoke; podman works too",
       Text(&Config::docker_bin)},
      {"SANDBOX_NETWORK", "", "empty", "Docker network that the runner is connected to for exec",
       DockerWord(&Config::network, true)},
      {"SANDBOX_DOCKER_USER", user, "current uid:gid", "Passed to `docker exec --user`",
       ReadDockerUser},
      {"SANDBOX_DOCKER_MODE", "exec", nullptr,
       "exec: jobs in long-lived containers. single-use: a container of its own for each step of a "
       "job, made ahead",
       Choice(&Config::docker_mode, {"exec", "single-use"})},
      {"SANDBOX_DOCKER_IMAGE", "", "image of SANDBOX_CONTAINER", "Image of single-use containers",
       DockerWord(&Config::docker_image, true)},
      {"SANDBOX_DOCKER_RUNTIME", "", "the daemon's default",
       "Runtime of single-use containers, such as runsc",
       DockerWord(&Config::docker_runtime, true)},
      {"SANDBOX_TIMEOUT", "3s", nullptr, "Wall-clock limit of a job's run",
       Duration(&Config::timeout, base::kMillisecond, base::kHour)},
      {"SANDBOX_COMPILE_TIMEOUT", "10s", nullptr, "Wall-clock limit of a job's compilation",
       Duration(&Config::compile_timeout, base::kMillisecond, base::kHour)},
      {"SANDBOX_JUDGE_TIMEOUT", "10m", nullptr, "Wall-clock limit of all tests of a job together",
       Duration(&Config::judge_timeout, base::kMillisecond, 24 * base::kHour)},
      {"SANDBOX_MAX_TIMEOUT", "60s", nullptr, "The longest timeout that a request may ask for",
       Duration(&Config::max_timeout, base::kMillisecond, 24 * base::kHour)},
      {"SANDBOX_MEMORY", "256MiB", nullptr, "Memory of a job's processes and files together",
       Size(&Config::memory, 4 * kMiB, 1024 * kGiB)},
      {"SANDBOX_PROCESSES", "64", nullptr, "Processes and threads of a job at once",
       Integer(&Config::processes, 1, 30'000)},
      {"SANDBOX_CPUS", "0", nullptr,
       "Processors that the processes of one job may keep busy together; 0: all of them",
       Integer(&Config::cpus, 0, 4096)},
      {"SANDBOX_OUTPUT", "1MiB", nullptr, "Captured bytes of stdout and of stderr, each",
       Size(&Config::output, kKiB, kGiB)},
      {"SANDBOX_MAX_CPU_TIME", "60s", nullptr, "Most that a request may ask for as limits.cpu_time",
       Duration(&Config::max_cpu_time, base::kMillisecond, 24 * base::kHour)},
      {"SANDBOX_MAX_MEMORY", "1GiB", "1GiB, or SANDBOX_MEMORY when that is more",
       "Most that a request may ask for as limits.memory_bytes",
       Size(&Config::max_memory, 4 * kMiB, 1024 * kGiB)},
      {"SANDBOX_MAX_PROCESSES", "256", "256, or SANDBOX_PROCESSES when that is more",
       "Most that a request may ask for as limits.processes",
       Integer(&Config::max_processes, 1, 30'000)},
      {"SANDBOX_MAX_OUTPUT", "16MiB", "16MiB, or SANDBOX_OUTPUT when that is more",
       "Most that a request may ask for as limits.output_bytes",
       Size(&Config::max_output, kKiB, kGiB)},
      {"SANDBOX_MAX_FILE_BYTES", "256MiB", nullptr,
       "Most that a request may ask for as limits.file_bytes; 64MiB is what it gets unasked",
       Size(&Config::max_file_bytes, 64 * kMiB, 1024 * kGiB)},
      {"SANDBOX_MAX_OPEN_FILES", "4096", nullptr,
       "Most that a request may ask for as limits.open_files; 1024 is what it gets unasked",
       Integer(&Config::max_open_files, 1024, 1'000'000)},
      {"SANDBOX_COMPILE_CACHE", "256MiB", nullptr,
       "Compiled programs kept on disk, under STATE_DIR, for sources that come again; 0 keeps none",
       Size(&Config::compile_cache, 0, 1024 * kGiB)},
      {"SANDBOX_SLOTS", cores, "number of cores", "Jobs run at once",
       Integer(&Config::slots, 1, 128)},
      {"SANDBOX_SESSIONS", "16", nullptr,
       "Interactive sessions at once, beside SANDBOX_SLOTS; 0: none. One client may have three "
       "quarters",
       Integer(&Config::sessions, 0, 64)},
      {"SANDBOX_SESSION_TIMEOUT", "30m", nullptr,
       "Wall-clock limit of an interactive program, and most that it may ask for; its CPU time is "
       "limited to SANDBOX_MAX_CPU_TIME",
       Duration(&Config::session_timeout, base::kSecond, 24 * base::kHour)},
      {"SANDBOX_WARM_START", "on", nullptr,
       "on: interpreters are started ahead, and forked or claimed by jobs (docs/languages.md); "
       "off; or "
       "the "
       "languages for which they are, separated by commas (native backend)",
       ReadWarmStart},
      {"SANDBOX_WARM_SANDBOXES", "0", nullptr,
       "Sandboxes kept ready for each language that is started ahead; 0: two more than "
       "SANDBOX_SLOTS. At most 128 for all of them",
       Integer(&Config::warm_park, 0, 32)},
      {"SANDBOX_WARM_JOBS", "1000", nullptr,
       "Jobs that are forked from one start of an interpreter before it is started anew; they "
       "share "
       "its memory layout and hash secret",
       Integer(&Config::warm_jobs, 1, 1'000'000)},
      {"SANDBOX_MAX_ATTEMPTS", "3", nullptr, "How often a job is started when its worker dies",
       Integer(&Config::max_attempts, 1, 100)},
      {"SANDBOX_LEASE_TIME", "30s", nullptr,
       "After this time without a sign of life a worker's jobs run elsewhere",
       Duration(&Config::lease_time, base::kSecond, base::kHour)},
      {"SANDBOX_MIN_ISOLATION", "rootless", nullptr,
       "full, rootless or no-cgroup: below this level the service does not start "
       "(docs/security.md)",
       Choice(&Config::min_isolation, {"full", "rootless", "no-cgroup"})},
      {"SANDBOX_ROOTFS", "", "empty",
       "Folder made by `./dev rootfs` whose /usr jobs see; empty: the machine's own "
       "(docs/security.md)",
       Text(&Config::rootfs, true)},
      {"SANDBOX_SERVICE_USER", "nobody", nullptr,
       "User that sandboxd becomes when started by root: a name, or uid:gid",
       Text(&Config::service_user)},
      {"SANDBOX_LANGUAGE_DIR", here + "/../share/code-sandbox/languages",
       "../share/code-sandbox/languages beside the program", "Folder of the language files",
       Text(&Config::language_dir)},
      {"SANDBOX_SECCOMP_DIR", here + "/../share/code-sandbox/seccomp",
       "../share/code-sandbox/seccomp beside the program", "Folder of the seccomp policies",
       Text(&Config::seccomp_dir)},
      {"SANDBOX_CACHE_DIR", "", "STATE_DIR/cache",
       "Folder of toolchain caches, shown read-only to jobs", Text(&Config::cache_dir, true)},
      {"SANDBOX_LAUNCHER", here + "/sandbox-launcher", "sandbox-launcher beside the program",
       "The launcher program", Text(&Config::launcher)},
      {"SANDBOX_SUPERVISOR", here + "/sandbox-supervisor", "sandbox-supervisor beside the program",
       "The program that runs jobs inside containers", Text(&Config::supervisor)},
      {"SANDBOX_DOCKER_BROKER", here + "/sandbox-docker-broker",
       "sandbox-docker-broker beside the program", "The program that starts the Docker CLI",
       Text(&Config::docker_broker)},
      {"LOG_LEVEL", "info", nullptr, "debug, info, warning or error",
       Choice(&Config::log_level, {"debug", "info", "warning", "error"})},
  };
}

}  // namespace

base::Result<Config> ReadConfig(const Environment& environment) {
  Config config;
  std::string errors;
  const auto wrong = [&](const std::string& message) {
    errors += (errors.empty() ? "" : "\n") + message;
  };
  for (const Variable& variable : Variables(environment)) {
    const auto set = environment(variable.name);
    const std::string& text = set ? *set : variable.fallback;
    if (const auto accepted = variable.read(config, text)) {
      const std::string shown = variable.secret ? "its value" : "'" + base::Printable(text) + "'";
      wrong(std::string(variable.name) + ": " + shown + " is not accepted; it must be " +
            *accepted);
    }
  }
  config.redis_addr_set = environment("REDIS_ADDR").has_value();
  if (config.job_store == "auto") {
    config.job_store = config.redis_addr_set ? "redis" : "sqlite";
  }
  if (config.role != "all" && config.job_store != "redis") {
    wrong("ROLE: '" + config.role +
          "' is not accepted; it must be all unless JOB_STORE is redis: "
          "nodes of different roles meet in Redis");
  }
  if (!config.redis_username.empty() && config.redis_password.empty()) {
    wrong("REDIS_USERNAME: is set without a REDIS_PASSWORD");
  }
  if (!config.redis_tls_ca.empty() && config.redis_tls == "off") {
    wrong("REDIS_TLS_CA: is set, but REDIS_TLS is off");
  }
  config.container_set = environment("SANDBOX_CONTAINER").has_value();
  if (config.backend == "auto") {
    const bool docker = environment("SANDBOX_CONTAINER").has_value() ||
                        environment("SANDBOX_LANGUAGE_CONTAINERS").has_value();
    config.backend = docker ? "docker" : "native";
  }
  config.compiled_dir = config.state_dir + "/compiled";
  if (config.cache_dir.empty()) {
    config.cache_dir = config.state_dir + "/cache";
  }
  for (const auto& [name, path] :
       {std::pair<const char*, const std::string&>{"STATE_DIR", config.state_dir},
        {"SANDBOX_JOB_DIR", config.job_dir},
        {"SANDBOX_CACHE_DIR", config.cache_dir},
        {"SANDBOX_ROOTFS", config.rootfs}}) {
    if (!path.starts_with('/') && !(path.empty() && &path == &config.rootfs)) {
      wrong(std::string(name) + ": '" + base::Printable(path) +
            "' is not accepted; it must be an absolute path");
    }
  }
  if (config.timeout > config.max_timeout) {
    wrong("SANDBOX_TIMEOUT: '" + base::FormatDuration(config.timeout) +
          "' is not accepted; it must not exceed SANDBOX_MAX_TIMEOUT (" +
          base::FormatDuration(config.max_timeout) + ")");
  }
  // What jobs get unasked must be within what they may ask for.
  for (const auto& [name, fallback, most] :
       {std::tuple<const char*, int64_t, int64_t&>{"MEMORY", config.memory, config.max_memory},
        {"PROCESSES", config.processes, config.max_processes},
        {"OUTPUT", config.output, config.max_output}}) {
    const std::string variable = std::string("SANDBOX_MAX_") + name;
    if (fallback > most && environment(variable.c_str())) {
      wrong(variable + ": '" + std::to_string(most) +
            "' is not accepted; it must not be less than SANDBOX_" + name + " (" +
            std::to_string(fallback) + ")");
    }
    most = std::max(most, fallback);
  }
  if (!errors.empty()) {
    return base::InvalidArgument(errors);
  }
  return config;
}

void EraseSecrets() {
  const Environment none = [](const char*) { return std::nullopt; };
  for (const Variable& variable : Variables(none)) {
    // NOLINTBEGIN(concurrency-mt-unsafe): one thread yet
    if (char* value = variable.secret ? std::getenv(variable.name) : nullptr; value != nullptr) {
      ::explicit_bzero(value, std::strlen(value));  // the block that the kernel made at exec
      ::unsetenv(variable.name);
    }
    // NOLINTEND(concurrency-mt-unsafe)
  }
}

std::string ConfigHelp() {
  const Environment none = [](const char*) { return std::nullopt; };
  std::string out;
  for (const Variable& variable : Variables(none)) {
    const std::string fallback =
        variable.shown_default != nullptr ? variable.shown_default : variable.fallback;
    out += "  " + std::string(variable.name) + " (" + fallback + "): " + variable.meaning + "\n";
  }
  return out;
}

std::string ConfigMarkdown() {
  const Environment none = [](const char*) { return std::nullopt; };
  std::string out = "| variable | default | meaning |\n|---|---|---|\n";
  for (const Variable& variable : Variables(none)) {
    std::string meaning = variable.meaning;
    for (size_t at = meaning.find('|'); at != std::string::npos; at = meaning.find('|', at + 2)) {
      meaning.replace(at, 1, "\\|");
    }
    const std::string fallback =
        variable.shown_default != nullptr ? variable.shown_default : "`" + variable.fallback + "`";
    out += "| `" + std::string(variable.name) + "` | " + fallback + " | " + meaning + " |\n";
  }
  return out;
}

}  // namespace app
