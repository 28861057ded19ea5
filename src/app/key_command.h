#pragma once

#include <string>
#include <vector>

#include "app/config.h"

namespace app {

// Whether the words after `sandboxd keys` are a command: create NAME [JSON], list, revoke ID.
bool IsKeyCommand(const std::vector<std::string>& words);

// Does it in the store that the configuration names, beside a service that uses it, and prints what
// the admin's calls would answer. Returns the exit code. Gives up root as the service does, so that
// what it makes is the service's. Blocks.
int RunKeyCommand(const std::vector<std::string>& words, const Config& config);

}  // namespace app
