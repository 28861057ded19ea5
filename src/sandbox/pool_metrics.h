#pragma once

#include <string>
#include <vector>

#include "sandbox/wire.h"

namespace sandbox {

// What Prometheus is told of the launcher's parked sandboxes and zygotes. Not thread-safe.
class PoolMetrics {
 public:
  // The names of the warm programs, in their order. Sandboxes of none of them are "plain".
  explicit PoolMetrics(const std::vector<std::string>& warm);

  // A message of `size` bytes that claims to be a PoolReport. False, and nothing is changed, when
  // it is not what this launcher sends: another version or number of kinds, more than there can be,
  // or a count that has fallen.
  bool Take(const wire::PoolReport& report, size_t size);

 private:
  bool IsSound(const wire::PoolReport& report) const;

  std::vector<std::string> kinds_;
  wire::PoolReport last_{};
};

}  // namespace sandbox
