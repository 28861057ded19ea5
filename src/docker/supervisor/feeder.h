#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/unique_fd.h"
#include "docker/supervisor/output.h"

namespace docker::supervisor {

// The stdin of a program that is fed while it runs. Never blocks: what the program has not taken
// waits here.
class Feeder {
 public:
  // `fd` is the writing end of its pipe, or its terminal; not blocking.
  void Open(base::UniqueFd fd) { fd_ = std::move(fd); }

  // False when that is more than wire::kInputWindow together with what waits.
  bool Put(std::string_view data);

  // After what waits comes the end.
  void End();

  // Writes what fits, and tells of it. A program that does not want its input any more takes
  // nothing: then all of it is nobody's.
  void Flush(Output* output);

  // To be polled for writing; -1 when nothing waits.
  int waiting() const { return pending_.empty() ? -1 : fd_.get(); }

 private:
  base::UniqueFd fd_;
  std::string pending_;
  bool ends_ = false;
};

}  // namespace docker::supervisor
