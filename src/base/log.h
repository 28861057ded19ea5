#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

// One JSON object a line on stderr: {"time","level","msg",...fields}. Every value is escaped, so
// text from a job or a client cannot forge a line. Thread-safe. Never pass code, output, stdin or
// secrets.
namespace base {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

using LogField = std::pair<std::string_view, std::string>;

// Drops lines below `level`; kInfo until called.
void SetLogLevel(LogLevel level);

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

}  // namespace base
