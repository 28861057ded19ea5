#include "docker/broker/templates.h"

namespace docker::broker {
namespace {

// Id, state, image, its networks, each followed by a comma, and its memory limit, 0 for none.
constexpr const char* kInspectFormat =
    "{{.Id}}\t{{.State.Status}}\t{{.Config.Image}}\t"
    "{{range $name, $network := .NetworkSettings.Networks}}{{$name}},{{end}}\t"
    "{{.HostConfig.Memory}}";

// What a container for one job may do: nothing that it does not need.
std::vector<std::string> SingleUse(const Settings& s, const std::string& name, bool warm_up) {
  const std::string cache = s.job_dir + "/cache";
  std::vector<std::string> argv = {s.bin,
                                   "run",
                                   "--interactive",
                                   "--rm",
                                   "--name",
                                   name,
                                   "--label",
                                   "sandbox.owner=" + s.owner,
                                   "--pull",
                                   "never",
                                   "--network",
                                   s.network.empty() ? "none" : s.network,
                                   "--read-only",
                                   "--cap-drop",
                                   "ALL",
                                   "--security-opt",
                                   "no-new-privileges",
                                   "--ipc",
                                   "private",
                                   "--hostname",
                                   "sandbox",
                                   "--log-driver",
                                   "none",
                                   "--ulimit",
                                   "core=1:1",
                                   "--pids-limit",
                                   s.pids,
                                   "--memory",
                                   s.memory,
                                   "--memory-swap",
                                   s.memory,
                                   "--cpus",
                                   s.cpus,
                                   "--tmpfs",
                                   "/tmp:rw,exec,nosuid,nodev,mode=1777,size=" + s.folder_bytes,
                                   "--tmpfs",
                                   "/box:rw,exec,nosuid,nodev,mode=1777,size=" + s.folder_bytes,
                                   "--volume",
                                   s.supervisor + ":" + s.supervisor + ":ro",
                                   "--volume",
                                   cache + ":" + cache + (warm_up ? ":rw" : ":ro"),
                                   "--user",
                                   warm_up ? "0:0" : s.user,
                                   "--entrypoint",
                                   s.supervisor};
  if (!s.runtime.empty()) {
    argv.insert(argv.end(), {"--runtime", s.runtime});
  }
  argv.insert(argv.end(), {s.image, "run"});
  return argv;
}

// Tells containers apart: the first digits of an id.
std::string Space(const std::string& id) {
  return id.substr(0, 16);
}

}  // namespace

bool IsContainerName(const std::string& name) {
  constexpr const char* kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  return !name.empty() && name.size() < wire::kMaxName &&
         std::string(kLetters).find(name.front()) != std::string::npos &&
         name.find_first_not_of(std::string(kLetters) + "_.-") == std::string::npos;
}

bool IsOwned(const Settings& settings, const std::string& name) {
  return IsContainerName(name) && name.starts_with(wire::kOwnedPrefix + settings.owner + "-");
}

std::vector<std::string> CommandLine(const Settings& s, wire::Command command,
                                     const std::string& name) {
  using wire::Command;
  const bool nameless = command == Command::kList || command == Command::kListOwned;
  const bool owned =
      command == Command::kRun || command == Command::kRunAsRoot || command == Command::kRemove;
  if (nameless ? !name.empty() : !(owned ? IsOwned(s, name) : IsContainerName(name))) {
    return {};
  }
  switch (command) {
    case Command::kList:
      return {s.bin, "ps", "--no-trunc", "--format",
              "{{.ID}}\t{{.Names}}\t{{.State}}\t{{.Label \"sandbox.language\"}}"};
    case Command::kListOwned:
      return {s.bin,        "ps",        "--all",
              "--no-trunc", "--filter",  "label=sandbox.owner=" + s.owner,
              "--format",   "{{.Names}}"};
    case Command::kInspect:
      return {s.bin, "inspect", "--type", "container", "--format", kInspectFormat, name};
    case Command::kConnect:
      return s.network.empty()
                 ? std::vector<std::string>()
                 : std::vector<std::string>{s.bin, "network", "connect", s.network, name};
    case Command::kCheck:
      return {s.bin, "exec",       "--interactive", "--user",  s.user,
              name,  s.supervisor, "check",         s.job_dir, Space(name)};
    case Command::kExec:
      return {s.bin, "exec", "--interactive", "--user", s.user, name, s.supervisor, "run"};
    case Command::kExecAsRoot:
      return {s.bin, "exec", "--interactive", "--user", "0:0", name, s.supervisor, "run"};
    case Command::kRun:
      return SingleUse(s, name, false);
    case Command::kRunAsRoot:
      return SingleUse(s, name, true);
    case Command::kRemove:
      return {s.bin, "rm", "--force", "--volumes", name};
  }
  return {};
}

}  // namespace docker::broker
