#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "language/language.h"

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

// Takes the first candidate that answers with a version, and replaces {tool} and {source} in the
// language's commands; or sets unavailable_reason. Blocking.
void BlockingDetect(const DetectOptions& options, Language* language);

}  // namespace language
