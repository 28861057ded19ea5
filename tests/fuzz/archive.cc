// Archives of files. The first byte chooses the format.

#include "job/archive.h"

#include "base/text.h"
#include "fuzz.h"
#include "job/json.h"
#include "job/paths.h"

FUZZ(archive, input) {
  fuzz::Input in(input);
  const auto format = static_cast<job::ArchiveFormat>(in.Take<uint8_t>() % 3);
  const std::string_view bytes = in.TakeRest();
  size_t budget = job::kMaxInflatedBytes;
  std::vector<job::SourceFile> files;
  const auto problem = job::ReadArchive(format, bytes, &budget, &files);
  MUST(budget <= job::kMaxInflatedBytes && files.size() <= job::kMaxFiles);
  if (problem) {
    MUST(!problem->empty() && base::IsValidUtf8(*problem));
    return;
  }
  size_t total = 0;
  std::vector<std::string_view> paths;
  for (const job::SourceFile& file : files) {
    MUST(!job::PathProblem(file.path));
    paths.emplace_back(file.path);
    total += file.content.size();
  }
  MUST(total <= job::kMaxArchiveBytes && !job::FindPathConflict(paths));
}
