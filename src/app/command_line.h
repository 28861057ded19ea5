#pragma once

#include <optional>
#include <string>
#include <vector>

// The command line of sandboxd. Configuration proper is by environment variables only.
namespace app {

struct CommandLine {
  bool doctor = false;
  std::optional<std::string> role;  // in place of the variable ROLE
  std::vector<std::string> keys;    // what follows "keys": a command of key_command.h
};

inline constexpr int kUsageError = 2;  // also for wrong configuration

// Nothing when the process shall end with `exit_code`: what was asked for has been printed.
std::optional<CommandLine> ReadCommandLine(int argc, char** argv, int* exit_code);

}  // namespace app
