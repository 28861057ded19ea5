#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/config.h"
#include "base/result.h"
#include "docker/backend.h"
#include "http/server.h"
#include "language/language.h"

namespace boost::asio {
class io_context;
}

namespace app {

// What the docker backend needs of a process that still has its privileges.
struct PreparedDocker {
  docker::Options options;
  docker::Broker broker;
};

// Installs the supervisor, starts the broker. Blocking; while there is one thread.
base::Result<PreparedDocker> PrepareDocker(const Config& config,
                                           const language::Registry& languages);

// Looks at the containers and waits until it is known what they can run; that may include warm-ups
// of minutes. Runs `loop` meanwhile. An error says what to look at.
base::Result<std::unique_ptr<docker::Backend>> OpenDocker(boost::asio::io_context& loop,
                                                          PreparedDocker prepared,
                                                          language::Registry& languages,
                                                          std::function<void()> languages_changed,
                                                          std::function<void()> lost);

// What GET /health tells of the backend's containers; empty without a backend, which must outlive
// it.
std::function<std::vector<http::ContainerHealth>()> ContainersForHealth(
    const docker::Backend* backend);

}  // namespace app
