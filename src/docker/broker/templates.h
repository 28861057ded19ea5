#pragma once

#include <string>
#include <vector>

#include "docker/wire.h"

// The command lines of the broker. A request chooses one and names a container; nothing else of it
// gets in.
namespace docker::broker {

// The operator's words, fixed before sandboxd has opened a socket to the world. In this order on
// the broker's own command line.
struct Settings {
  std::string bin;         // SANDBOX_DOCKER_BIN
  std::string user;        // SANDBOX_DOCKER_USER
  std::string supervisor;  // path of the supervisor, the same on the host and in containers
  std::string job_dir;     // SANDBOX_JOB_DIR
  std::string network;     // SANDBOX_NETWORK, may be empty
  std::string image;       // of single-use containers
  std::string runtime;     // SANDBOX_DOCKER_RUNTIME, may be empty
  std::string owner;       // marks the containers of this service
  std::string memory;      // bytes, of a single-use container
  std::string pids;
  std::string cpus;
  std::string folder_bytes;  // of its work folder
};

inline constexpr int kSettings = 12;

// A container's name or id: [a-zA-Z0-9][a-zA-Z0-9_.-]*, as Docker itself has them.
bool IsContainerName(const std::string& name);

// True for the names of containers that this service makes: only those does it make and remove.
bool IsOwned(const Settings& settings, const std::string& name);

// The command's argv; empty when the command or the name is not acceptable.
std::vector<std::string> CommandLine(const Settings& settings, wire::Command command,
                                     const std::string& name);

}  // namespace docker::broker
