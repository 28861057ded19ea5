#pragma once

#include <string>
#include <vector>

#include "app/config.h"
#include "language/language.h"
#include "sandbox/rootfs.h"
#include "service/keys.h"

// What the service says of itself at its start, for whoever started it: lines to stderr.
namespace app {

// What the start has found out; empty where it has not come so far.
struct Machine {
  std::string isolation;
  std::string confined;  // by what this process is
  std::vector<std::string> not_limited;
  sandbox::Rootfs rootfs;
};

void Say(const std::string& line);

void AnnounceMachine(const Config& config, const Machine& machine,
                     const language::Registry& languages);

// Who may use the API; a warning in the log when everybody may.
void AnnounceAccess(const Config& config, const service::Keys& keys);

}  // namespace app
