#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "base/time.h"
#include "sandbox/spec.h"

namespace executor {

// What the sandboxes of one job use together: the time of all that there were; the memory at the
// moment and the processes of those that run and have been measured; as peak of memory the largest
// of one. Times are monotonic.
class UsageSum {
 public:
  explicit UsageSum(base::Nanos began) : began_(began), told_at_(began - kPause + kFirst) {}

  void Measured(sandbox::Backend::RunId run, const sandbox::LiveUsage& usage);
  void Ended(sandbox::Backend::RunId run, const sandbox::Usage& usage);

  // The sum when it is time to tell it, so that it is told about as often as that of one sandbox,
  // however many run.
  std::optional<sandbox::LiveUsage> Take(base::Nanos now);

 private:
  static constexpr base::Nanos kFirst = 250 * base::kMillisecond;
  static constexpr base::Nanos kPause = 450 * base::kMillisecond;

  base::Nanos began_;
  base::Nanos told_at_;
  base::Nanos ended_cpu_ = 0;
  int64_t peak_ = 0;
  std::map<sandbox::Backend::RunId, sandbox::LiveUsage> running_;
};

}  // namespace executor
