// Patterns of output files against names that a job has chosen: the first line against the second.

#include <cstring>
#include <string>

#include "fuzz.h"
#include "sandbox/outputs.h"

FUZZ(pattern, input) {
  fuzz::Input in(input);
  std::string pattern(in.TakeUntil('\n').substr(0, sandbox::kMaxOutputPath));
  std::string path(in.TakeRest().substr(0, sandbox::kMaxOutputPath));
  pattern.resize(std::strlen(pattern.c_str()));
  path.resize(std::strlen(path.c_str()));
  int64_t steps = sandbox::kMaxSteps;
  const bool matches = sandbox::MatchesPattern(pattern.c_str(), path.c_str(), &steps);
  if (!sandbox::IsPattern(pattern.c_str())) {
    MUST(matches == (pattern == path));
  }
  int64_t more = sandbox::kMaxSteps;
  MUST(sandbox::MatchesPattern("**", path.c_str(), &more));
  if (!sandbox::IsPattern(path.c_str())) {
    MUST(sandbox::MatchesPattern(path.c_str(), path.c_str(), &more));
  }
}
