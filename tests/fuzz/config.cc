// Environment variables: lines of NAME=value. Whatever they hold, the answer is a configuration or
// a message that names the variable, and never the password.

#include "app/config.h"

#include <map>
#include <string>

#include "base/text.h"
#include "fuzz.h"

FUZZ(config, input) {
  constexpr std::string_view kPassword = "correct horse battery";
  if (input.find(kPassword) != std::string_view::npos) {
    return;  // it would be right to repeat it from there
  }
  std::map<std::string, std::string, std::less<>> variables;
  fuzz::Input lines(input);
  while (!lines.empty()) {
    fuzz::Input line(lines.TakeUntil('\n'));
    const std::string_view name = line.TakeUntil('=');
    variables[std::string(name)] = std::string(line.TakeRest());
  }
  variables["REDIS_PASSWORD"] = std::string(kPassword) + (input.size() % 2 == 0 ? "\n" : "");
  const auto config = app::ReadConfig([&](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(std::string_view(name));
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  });
  if (!config) {
    MUST(config.error().kind == base::ErrorKind::kInvalidArgument);
    MUST(!config.error().message.empty() && base::IsValidUtf8(config.error().message));
    MUST(config.error().message.find(kPassword) == std::string::npos);
    return;
  }
  MUST(config->http_port != 0 && config->timeout > 0 && config->timeout <= config->max_timeout);
  MUST(config->memory > 0 && config->output > 0 && config->slots > 0 && config->queue_size > 0);
  MUST(config->state_dir.starts_with('/'));
}
