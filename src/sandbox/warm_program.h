#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sandbox/spec.h"

namespace sandbox {

// A program that is started ahead, as far as to the opening of its source, and waits there for jobs
// that run this very command.
struct WarmProgram {
  std::string source;             // in the work folder
  std::vector<std::string> argv;  // argv[0] is absolute
  std::vector<std::pair<std::string, std::string>> env;
  std::vector<std::string> preload;  // Python's modules that it loads, too
  // Where not empty: for jobs that import one of these. Of programs that are alike but for this the
  // last one that fits serves a job.
  std::vector<std::string> imports;
  std::string name = {};  // in metrics
  // False: each job has a process that was started for it alone, kept ready while such jobs come.
  bool forks = true;
};

// 1 + the number of the program that the run may start in, 0 for none: the last one that fits. One
// fits when the run asks for that command, and neither its files nor its limits would have made the
// program's start another one.
uint32_t WarmNumber(const Spec& spec, const std::vector<WarmProgram>& programs);

}  // namespace sandbox
