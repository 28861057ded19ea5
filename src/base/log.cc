#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <cstdio>
#include <memory>

#include "base/text.h"
#include "base/time.h"

namespace base {
namespace {

constexpr size_t kMaxField = 2048;

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// Never destroyed, so that logging works until the last destructor has run.
spdlog::logger& Logger() {
  static spdlog::logger& logger = [&]() -> spdlog::logger& {
    auto* made = new spdlog::logger("sandboxd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    return *made;
  }();
  return logger;
}

std::string Json(std::string_view text) {
  text = TruncateUtf8(text, kMaxField);
  const bool utf8 = IsValidUtf8(text);
  std::string out = "\"";
  for (const char c : text) {
    if (!utf8 && static_cast<unsigned char>(c) >= 0x80) {
      out += "\\ufffd";
      continue;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\' || c == 0x7F) {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x",
                    static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += escaped.data();
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

void SetLogLevel(LogLevel level) {
  Logger().set_level(ToSpdlog(level));
}

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  const auto spd_level = ToSpdlog(level);
  if (!Logger().should_log(spd_level)) {
    return;
  }
  const std::string_view name = level == LogLevel::kDebug     ? "debug"
                                : level == LogLevel::kInfo    ? "info"
                                : level == LogLevel::kWarning ? "warning"
                                                              : "error";
  std::string line = "{\"time\":\"" + FormatRfc3339(WallNow()) + "\",\"level\":\"" +
                     std::string(name) + "\",\"msg\":" + Json(message);
  for (const auto& [key, value] : fields) {
    line += "," + Json(key) + ":" + Json(value);
  }
  line += "}";
  Logger().log(spd_level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace base
