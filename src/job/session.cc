#include "job/session.h"

#include <array>
#include <csignal>
#include <utility>

namespace job {
namespace {

constexpr std::array<std::pair<std::string_view, int>, 10> kSignals = {{{"HUP", SIGHUP},
                                                                        {"INT", SIGINT},
                                                                        {"QUIT", SIGQUIT},
                                                                        {"KILL", SIGKILL},
                                                                        {"USR1", SIGUSR1},
                                                                        {"USR2", SIGUSR2},
                                                                        {"TERM", SIGTERM},
                                                                        {"CONT", SIGCONT},
                                                                        {"STOP", SIGSTOP},
                                                                        {"WINCH", SIGWINCH}}};

}  // namespace

std::optional<int> ParseSignal(std::string_view name) {
  for (const auto& [known, number] : kSignals) {
    if (known == name) {
      return number;
    }
  }
  return std::nullopt;
}

std::string SignalNames() {
  std::string names;
  for (const auto& [name, number] : kSignals) {
    names.append(names.empty() ? "" : ", ").append(name);
  }
  return names;
}

}  // namespace job
