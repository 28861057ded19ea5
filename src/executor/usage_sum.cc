#include "executor/usage_sum.h"

#include <algorithm>

namespace executor {
namespace {

// A sum of which a part is not known is not known.
void Add(const std::optional<int64_t>& part, std::optional<int64_t>* sum) {
  *sum = part && *sum ? std::optional<int64_t>(*part + **sum) : std::nullopt;
}

}  // namespace

void UsageSum::Measured(sandbox::Backend::RunId run, const sandbox::LiveUsage& usage) {
  running_[run] = usage;
  peak_ = std::max(peak_, usage.memory_peak_bytes.value_or(0));
}

void UsageSum::Ended(sandbox::Backend::RunId run, const sandbox::Usage& usage) {
  running_.erase(run);
  ended_cpu_ += usage.cpu_time;
  peak_ = std::max(peak_, usage.memory_peak_bytes);
}

std::optional<sandbox::LiveUsage> UsageSum::Take(base::Nanos now) {
  if (now - told_at_ < kPause) {
    return std::nullopt;
  }
  told_at_ = now;
  sandbox::LiveUsage sum;
  sum.wall_time = now - began_;
  sum.cpu_time = ended_cpu_;
  if (!running_.empty()) {
    sum.memory_bytes = 0;
    sum.processes = 0;
  }
  for (const auto& [run, usage] : running_) {
    Add(usage.cpu_time, &sum.cpu_time);
    Add(usage.memory_bytes, &sum.memory_bytes);
    Add(usage.processes, &sum.processes);
  }
  if (peak_ > 0) {
    sum.memory_peak_bytes = peak_;
  }
  return sum;
}

}  // namespace executor
