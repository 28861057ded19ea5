#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

// Names of files in a job's work folder. Pure functions.
namespace job {

constexpr size_t kMaxPathBytes = 240;
constexpr size_t kMaxPathParts = 16;

// What `path` has to be and is not, in the words of an error message; nullopt when it can name a
// file: relative, of UTF-8 without control characters, each part neither empty nor "." nor "..",
// within the bounds above, and no option of a command ("-x").
std::optional<std::string_view> PathProblem(std::string_view path);

// The index of the first path that an earlier one rules out: the same, or one of the two would have
// to be a file and a folder at once. REQUIRES: none has a PathProblem.
std::optional<size_t> FindPathConflict(const std::vector<std::string_view>& paths);

}  // namespace job
