#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "language/language.h"
#include "language/process.h"

namespace language {

struct DetectOptions {
  // Jobs see these folders of the machine and no others, so a tool must lie in one of them, with
  // all symbolic links resolved.
  std::vector<std::string> roots = {"/usr"};
  std::vector<std::string> path;              // folders for plain names; empty: those of kToolPath
  base::Nanos deadline = 10 * base::kSecond;  // of one version command
  // Where jobs run, when that is not this machine's own file system: then `roots` does not matter,
  // and whether a tool exists is found out by starting it there.
  Place place;
};

// The absolute paths that the language's candidates stand for, best first.
std::vector<std::string> ToolPaths(const Language& language, const DetectOptions& options = {});

// How to ask `tool` for its version, and what its answer says.
Command VersionCommand(const Language& language, const std::string& tool);
base::Result<std::string> ReadVersion(const Language& language, const std::string& tool,
                                      const CommandResult& result);

// Makes the language available with this tool: replaces {tool} and {source} in its commands.
void Adopt(const std::string& tool, const std::string& version, Language* language);

// Takes the first candidate that answers with a version, and replaces {tool} and {source} in the
// language's commands; or sets unavailable_reason. Blocking.
void BlockingDetect(const DetectOptions& options, Language* language);

}  // namespace language
