#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "job/job.h"

namespace boost::asio {
class io_context;
}

namespace executor {

// Everything that decides what a compile step produces.
struct CompileInput {
  std::string toolchain;  // which tool and which version of it, on which backend
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> env;
  std::vector<std::pair<std::string, std::string>> files;  // path and content
};

struct CompiledProgram {
  job::CompileResult compile;  // what the compiler printed; `cached` is set, `usage` is not
  std::shared_ptr<base::UniqueFd> binary;  // a sealed memfd
};

// Programs that were compiled before, by the hash of everything that went into them, as files of a
// folder that only this process uses: never shared with a job, which gets a copy. Bounded in bytes
// of disk, whole blocks; what has not been used for longest goes first. A file is read into memory
// and verified there against its hash; one that does not match is removed and counts as absent, so
// that files need not be durable. What is stored is found at once, from memory, and written to its
// file a little later, when its first run may have ended. All calls and callbacks on the event
// loop's thread, file work on a thread of its own.
class CompileCache {
 public:
  // Reads the folder, which must exist; `max_bytes` 0 caches nothing. Blocking.
  static base::Result<std::unique_ptr<CompileCache>> Open(boost::asio::io_context& loop,
                                                          std::string folder, int64_t max_bytes);

  // Writes what has been stored, and waits for that. Callbacks that have not come by then never
  // come.
  ~CompileCache();

  static std::string Key(const CompileInput& input);

  // Answers null when there is none: from within the call when that is known at once, as it is for
  // programs that were used lately.
  using Found = std::function<void(std::shared_ptr<const CompiledProgram>)>;
  void Find(const std::string& key, Found found);

  // Keeps a program. `binary` must be a sealed memfd, else nothing is kept; nor is what the disk
  // does not take.
  void Store(const std::string& key, const job::CompileResult& compile,
             std::shared_ptr<base::UniqueFd> binary);

 private:
  class Impl;
  explicit CompileCache(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace executor
