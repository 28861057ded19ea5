#pragma once

#include <optional>
#include <string_view>

#include "job/job.h"

namespace executor {

// Compares what a program wrote with what was expected. Pure, in time and memory that grow with the
// two texts only (times the logarithm for unordered lines). Returns where they first differ, with
// bounded excerpts, or nullopt when the answer is right. REQUIRES: not kProgram. `tolerance` is for
// Checker::kFloats: absolute, or relative to the expected number.
//
//   kExact           byte by byte
//   kLines           line by line, without white space at the ends of lines and lines at the end
//                    that are empty without it
//   kTokens          what stands between white space, wherever that is
//   kFloats          tokens; two that are numbers may differ by the tolerance
//   kUnorderedLines  as kLines, in any order
std::optional<job::Difference> Compare(job::Checker checker, double tolerance,
                                       std::string_view expected, std::string_view actual);

}  // namespace executor
