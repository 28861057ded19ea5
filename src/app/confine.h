#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/config.h"
#include "base/result.h"

// sandboxd in a cage of its own: whoever takes it over finds no privilege, no program to start, no
// executable memory, no file but those of the state folder, and no port but those it needs.
namespace app {

struct Confinement {
  std::string seccomp_policy;              // path of service.toml
  std::vector<std::string> read_folders;   // beside those that name resolution needs
  std::vector<std::string> write_folders;  // the state folder, or what is used of it
  std::vector<uint16_t> listen_ports;      // TCP
  std::vector<uint16_t> connect_ports;     // TCP; empty: none
};

// What a service of this configuration needs.
Confinement ConfinementFor(const Config& config);

// Confines this thread and all that it starts, for good. To be called once, before any other thread
// is started and after no_new_privs is set; what must start programs later is started before.
// Answers what is in force, for the start message: "seccomp, landlock abi 6"; a kernel without
// Landlock goes without it, every other failure is an error. Built with a sanitizer it does nothing
// and says so: their runtimes need more calls.
base::Result<std::string> Confine(const Confinement& confinement);

}  // namespace app
