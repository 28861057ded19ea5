#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "base/time.h"

namespace job {

// How many things may happen in a time: after a pause all of them at once, then one each
// period / count. Unlimited when count is 0.
struct Rate {
  int64_t count = 0;
  base::Nanos period = 0;
};

constexpr int64_t kMaxRateCount = 1'000'000;

struct RateState {
  int64_t granted = 0;    // of what was asked for
  int64_t remaining = 0;  // that may happen at once now
  base::Nanos reset = 0;  // until all of them may
  base::Nanos retry = 0;  // until one may; 0: now
};

// Takes up to `wanted` from a rate. `full_at` is all that is kept of the past: when, on the clock
// of `now`, everything may happen at once again (GCRA's theoretical arrival time); it is brought up
// to date. REQUIRES: rate.count > 0.
RateState TakeFromRate(const Rate& rate, int64_t wanted, base::Nanos now, base::Nanos* full_at);

// The rates of many names. What is full again is forgotten. Not thread-safe.
class RateTable {
 public:
  // With more than `max` names that are not full, further ones are granted nothing.
  explicit RateTable(size_t max) : max_(max) {}

  RateState Take(const std::string& name, const Rate& rate, int64_t wanted, base::Nanos now);

  size_t size() const { return full_at_.size(); }

 private:
  void ForgetFull(base::Nanos now);

  size_t max_;
  size_t look_at_ = 1024;  // this many names: look for full ones
  std::unordered_map<std::string, base::Nanos> full_at_;
};

}  // namespace job
