#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

// Times are nanoseconds in int64_t throughout: wall times since the Unix epoch (UTC), durations and
// monotonic times as named. All functions are thread-safe and do not block.
namespace base {

using Nanos = int64_t;

inline constexpr Nanos kMicrosecond = 1000;
inline constexpr Nanos kMillisecond = 1000 * kMicrosecond;
inline constexpr Nanos kSecond = 1000 * kMillisecond;
inline constexpr Nanos kMinute = 60 * kSecond;
inline constexpr Nanos kHour = 60 * kMinute;

Nanos WallNow();
Nanos MonotonicNow();

// Go's time.ParseDuration, without negative values: "1h30m", "1.5s", "500ms", "0". Accepts the
// units ns, us, µs, ms, s, m, h. Overflow, a sign, a missing unit and an empty text are
// kInvalidArgument.
Result<Nanos> ParseDuration(std::string_view text);

// As Go's Duration.String: "3s", "1m30s", "1.5ms", "0s".
std::string FormatDuration(Nanos duration);

// RFC 3339 in UTC with nanoseconds: "2026-01-02T03:04:05.000000006Z".
std::string FormatRfc3339(Nanos wall);

// RFC 3339: "2026-01-02T03:04:05Z", with a fraction of up to nine digits and any offset. What is
// not one, or before 1970 or after 2261, is kInvalidArgument.
Result<Nanos> ParseRfc3339(std::string_view text);

double ToMilliseconds(Nanos duration);

}  // namespace base
