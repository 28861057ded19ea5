#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "http/cors.h"
#include "job/key.h"

namespace app {

// Everything that the environment can set. The defaults live in the table of config.cc, which the
// documentation is printed from.
struct Config {
  std::string http_host;
  uint16_t http_port = 0;
  base::Nanos http_read_timeout = 0;
  base::Nanos http_write_timeout = 0;
  base::Nanos http_shutdown_timeout = 0;
  int64_t http_max_body = 0;
  int64_t http_max_connections = 0;
  http::CorsPolicy http_cors;
  base::Nanos http_session_idle = 0;
  std::string http_metrics;  // local or all
  std::string http_auth;     // auto, required or off
  std::vector<job::Key> http_api_keys;
  std::string http_api_keys_file;  // empty: none
  std::string http_webhooks;       // off, public or all
  std::vector<uint16_t> http_webhook_ports;
  base::Nanos http_webhook_timeout = 0;
  int64_t http_webhook_attempts = 0;
  base::Nanos http_webhook_pause = 0;
  std::string http_webhook_secret;
  std::string http_webhook_ca;

  std::string role;  // all, api or worker

  std::string redis_addr;
  std::string redis_username;
  std::string redis_password;
  int64_t redis_db = 0;
  std::string redis_key_prefix;
  std::string redis_tls;  // off or on
  std::string redis_tls_ca;
  bool redis_addr_set = false;

  std::string job_store;  // memory, sqlite or redis: auto is resolved
  std::string state_dir;
  std::string compiled_dir;  // below state_dir
  base::Nanos job_ttl = 0;
  int64_t queue_size = 0;

  std::string backend;  // native or docker: auto is resolved
  std::string container;
  bool container_set = false;
  std::string language_containers;
  std::string job_dir;
  std::string docker_bin;
  std::string network;
  std::string docker_user;
  std::string docker_mode;  // exec or single-use
  std::string docker_image;
  std::string docker_runtime;

  base::Nanos timeout = 0;
  base::Nanos compile_timeout = 0;
  base::Nanos max_timeout = 0;
  int64_t memory = 0;
  int64_t processes = 0;
  int64_t cpus = 0;
  int64_t output = 0;
  base::Nanos max_cpu_time = 0;  // these bound the `limits` of a request
  int64_t max_memory = 0;
  int64_t max_processes = 0;
  int64_t max_output = 0;
  int64_t max_file_bytes = 0;
  int64_t max_open_files = 0;
  int64_t compile_cache = 0;
  base::Nanos judge_timeout = 0;
  int64_t slots = 0;
  int64_t sessions = 0;  // interactive ones
  base::Nanos session_timeout = 0;
  std::string warm_start;  // on, off, or ids of languages with commas between
  int64_t warm_park = 0;
  int64_t warm_jobs = 0;
  int64_t max_attempts = 0;
  base::Nanos lease_time = 0;

  std::string min_isolation;
  std::string rootfs;  // empty: the machine's own /usr
  std::string service_user;
  std::string language_dir;
  std::string seccomp_dir;
  std::string cache_dir;
  std::string launcher;
  std::string supervisor;
  std::string docker_broker;
  std::string log_level;
};

// Looks up a variable; nullopt when it is not set.
using Environment = std::function<std::optional<std::string>(const char*)>;

// Reads and validates. The error names the variable, its value (secrets excepted) and what is
// accepted; all wrong variables are named at once, separated by newlines. Pure but for looking up
// the current user.
base::Result<Config> ReadConfig(const Environment& environment);

// Overwrites the secrets in this process's environment, where /proc shows them, and removes their
// variables. To be called once they have been read, while there is one thread.
void EraseSecrets();

// The table of docs/configuration.md, in Markdown.
std::string ConfigMarkdown();

// The same for a terminal: a line each.
std::string ConfigHelp();

}  // namespace app
