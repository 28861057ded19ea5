#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "executor/compile_cache.h"

namespace executor {

// The files of the compile cache, in a folder that nothing else writes. An entry is two files: KEY
// is the program, KEY.json one line with the program's hash and one with what the compiler said.
// The notes are written last and removed first. All calls block on the disk; they may be made by
// one thread at a time.
class ProgramFiles {
 public:
  explicit ProgramFiles(base::UniqueFd folder) : folder_(std::move(folder)) {}

  struct Entry {
    std::string key;
    int64_t bytes = 0;  // of disk, whole blocks
  };

  // What earlier processes left, the latest used last. Removes what an interrupted write left.
  base::Result<std::vector<Entry>> List() const;

  // Null when the entry cannot be read or does not match its hash.
  std::shared_ptr<const CompiledProgram> Load(const std::string& key) const;

  // The bytes that the entry takes on disk; 0 when it is larger than `max_bytes` or could not be
  // written.
  int64_t Save(const std::string& key, const CompiledProgram& program, int64_t max_bytes) const;

  void Remove(const std::string& key) const;

  // Of an entry whose compiler has said little.
  static int64_t LeastBytes(int64_t program_bytes);

 private:
  base::UniqueFd OpenFile(const std::string& name, int flags) const;

  base::UniqueFd folder_;
};

}  // namespace executor
