// What the Docker CLI prints, what the operator writes about containers, and what sandboxd asks the
// broker for.

#include <algorithm>
#include <string>

#include "docker/broker/templates.h"
#include "docker/pool.h"
#include "fuzz.h"

namespace {

const docker::broker::Settings& Sample() {
  static const docker::broker::Settings settings{"docker", "1:1",   "/jobs/bin/s", "/jobs",
                                                 "net",    "image", "runsc",       "owner",
                                                 "1",      "2",     "3",           "4"};
  return settings;
}

void CheckName(const std::string& name) {
  MUST(docker::broker::IsContainerName(name));
}

// Whatever is asked for, a command line begins as the operator has set it, and a name in it is one.
void CheckCommandLine(uint32_t command, const std::string& name) {
  using docker::wire::Command;
  const auto argv = docker::broker::CommandLine(Sample(), static_cast<Command>(command), name);
  if (argv.empty()) {
    return;
  }
  MUST(argv.front() == "docker");
  const bool named = std::find(argv.begin(), argv.end(), name) != argv.end();
  MUST(!named || docker::broker::IsContainerName(name));
  if (command == static_cast<uint32_t>(Command::kRemove)) {
    MUST(docker::broker::IsOwned(Sample(), name));
  }
}

}  // namespace

FUZZ(containers, input) {
  fuzz::Input in(input);
  const auto command = in.Take<uint32_t>();
  const std::string text(in.TakeRest());
  CheckCommandLine(command % 16, text);
  CheckCommandLine(command, text);
  if (const auto containers = docker::ParseLanguageContainers(text)) {
    docker::Pool pool(2);
    pool.Set(*containers);
    for (const docker::Container& container : pool.all()) {
      CheckName(container.name);
    }
  }
  const std::vector<docker::Listed> listed = docker::ParseListed(text);
  for (const docker::Listed& one : listed) {
    CheckName(one.id);
    CheckName(one.name);
    MUST(docker::FindListed(listed, one.name) != nullptr);
  }
  docker::Pool pool(1);
  pool.Set(docker::Discover(listed), "runner");
  MUST(pool.Find("runner") != nullptr && pool.all().size() <= listed.size() + 1);
  if (const auto inspected = docker::ParseInspected(text)) {
    CheckName(inspected->id);
    docker::SpaceOf(inspected->id);
  }
}
