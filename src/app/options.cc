#include "app/options.h"

#include "app/webhooks.h"
#include "sandbox/spec.h"

namespace app {

http::Options HttpOptions(const Config& config) {
  http::Options options;
  options.host = config.http_host;
  options.port = config.http_port;
  options.read_timeout = config.http_read_timeout;
  options.write_timeout = config.http_write_timeout;
  options.max_body_bytes = config.http_max_body;
  options.max_connections = static_cast<int>(config.http_max_connections);
  options.cors = config.http_cors;
  options.sessions = static_cast<int>(config.sessions);
  options.session_idle = config.http_session_idle;
  return options;
}

service::Options ServiceOptions(const Config& config, const http::Options& http) {
  service::Options options;
  options.max_timeout = config.max_timeout;
  options.max_session_timeout = config.session_timeout;
  options.max_limits = {config.max_cpu_time, config.max_memory,     config.max_processes,
                        config.max_output,   config.max_file_bytes, config.max_open_files};
  options.max_wait = http.max_wait;
  options.default_timeout = config.timeout;
  const sandbox::Limits unasked;
  options.default_limits = {
      0, config.memory, config.processes, config.output, unasked.file_bytes, unasked.open_files};
  options.webhook_errors = WebhookErrors(config);
  return options;
}

executor::Options ExecutorOptions(const Config& config, const std::string& worker) {
  executor::Options options;
  options.worker = worker;
  options.slots = static_cast<int>(config.slots);
  options.timeout = config.timeout;
  options.compile_timeout = config.compile_timeout;
  options.judge_timeout = config.judge_timeout;
  options.memory_bytes = config.memory;
  options.processes = config.processes;
  options.output_bytes = config.output;
  options.lease_time = config.lease_time;
  options.sessions = static_cast<int>(config.sessions);
  options.session_timeout = config.session_timeout;
  options.session_cpu_time = config.max_cpu_time;
  return options;
}

}  // namespace app
