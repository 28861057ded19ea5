#pragma once

#include <string>

#include "base/unique_fd.h"

namespace docker::supervisor {

// A toolchain's cache, filled once for each version and then only read. It is filled beside its
// final name and renamed when complete, so that an interrupted warm-up leaves nothing that looks
// finished. Supervisors that share the folder take turns.
class Cache {
 public:
  // Waits for its turn; `path` is <folder>/<name>. False with errno.
  bool Begin(const std::string& path);

  bool complete() const { return complete_; }

  // The folder to be filled; only when not complete.
  const std::string& building() const { return building_; }

  // `good`: keeps it under its final name, else removes it. False with errno.
  bool End(bool good);

 private:
  std::string path_;
  std::string building_;
  base::UniqueFd lock_;
  bool complete_ = false;
};

}  // namespace docker::supervisor
