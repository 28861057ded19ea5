#include "job/rate.h"

#include <algorithm>

namespace job {

RateState TakeFromRate(const Rate& rate, int64_t wanted, base::Nanos now, base::Nanos* full_at) {
  // A period that is no multiple of the count is rounded down: never fewer than was said.
  const base::Nanos each = std::max<base::Nanos>(1, rate.period / rate.count);
  const base::Nanos all = each * rate.count;
  // No more than a whole period is ever taken: what lies beyond it is of a clock that was set back.
  const base::Nanos taken = std::clamp<base::Nanos>(*full_at - now, 0, all);
  RateState state;
  state.granted = std::clamp<int64_t>((all - taken) / each, 0, wanted);
  state.reset = taken + state.granted * each;
  state.remaining = (all - state.reset) / each;
  state.retry = state.remaining > 0 ? 0 : each - (all - state.reset);
  *full_at = now + state.reset;
  return state;
}

RateState RateTable::Take(const std::string& name, const Rate& rate, int64_t wanted,
                          base::Nanos now) {
  if (full_at_.size() >= look_at_) {
    ForgetFull(now);
    look_at_ = std::max<size_t>(1024, 2 * full_at_.size());
  }
  if (full_at_.size() >= max_ && full_at_.count(name) == 0) {
    return {0, 0, rate.period, rate.period};
  }
  return TakeFromRate(rate, wanted, now, &full_at_[name]);
}

void RateTable::ForgetFull(base::Nanos now) {
  std::erase_if(full_at_, [now](const auto& entry) { return entry.second <= now; });
}

}  // namespace job
