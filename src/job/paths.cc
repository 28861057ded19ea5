#include "job/paths.h"

#include <algorithm>
#include <unordered_set>

#include "base/text.h"

namespace job {

std::optional<std::string_view> PathProblem(std::string_view path) {
  static_assert(kMaxPathBytes == 240 && kMaxPathParts == 16, "the texts below tell them");
  if (path.empty() || path.size() > kMaxPathBytes) {
    return "must be 1 to 240 bytes";
  }
  if (path.front() == '/') {
    return "must be relative, without a leading '/'";
  }
  if (path.front() == '-') {
    return "must not begin with '-'";
  }
  if (!base::IsValidUtf8(path) || base::HasControlCharacters(path)) {
    return "must be UTF-8 without control characters";
  }
  size_t parts = 0;
  for (size_t from = 0; from <= path.size();) {
    const size_t to = std::min(path.find('/', from), path.size());
    const std::string_view part = path.substr(from, to - from);
    if (part.empty() || part == "." || part == "..") {
      return "must not have empty, '.' or '..' parts";
    }
    ++parts;
    from = to + 1;
  }
  if (parts > kMaxPathParts) {
    return "must have at most 16 parts";
  }
  return std::nullopt;
}

std::optional<size_t> FindPathConflict(const std::vector<std::string_view>& paths) {
  std::unordered_set<std::string_view> files;
  std::unordered_set<std::string_view> folders;
  for (size_t i = 0; i < paths.size(); ++i) {
    const std::string_view path = paths[i];
    if (folders.count(path) != 0 || !files.insert(path).second) {
      return i;
    }
    for (size_t at = path.find('/'); at != std::string_view::npos; at = path.find('/', at + 1)) {
      const std::string_view folder = path.substr(0, at);
      if (files.count(folder) != 0) {
        return i;
      }
      folders.insert(folder);
    }
  }
  return std::nullopt;
}

}  // namespace job
