#include "base/time.h"

#include <array>
#include <cstdio>
#include <ctime>
#include <limits>

namespace base {
namespace {

Nanos Now(clockid_t clock) {
  timespec ts{};
  ::clock_gettime(clock, &ts);
  return static_cast<Nanos>(ts.tv_sec) * kSecond + ts.tv_nsec;
}

struct Unit {
  std::string_view name;
  Nanos nanos;
};

// Longest names first, so that "ms" is not read as "m" followed by "s".
constexpr std::array<Unit, 8> kUnits = {{{"ns", 1},
                                         {"us", kMicrosecond},
                                         {"\u00b5s", kMicrosecond},
                                         {"\u03bcs", kMicrosecond},
                                         {"ms", kMillisecond},
                                         {"s", kSecond},
                                         {"m", kMinute},
                                         {"h", kHour}}};

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

Nanos WallNow() {
  return Now(CLOCK_REALTIME);
}

Nanos MonotonicNow() {
  return Now(CLOCK_MONOTONIC);
}

Result<Nanos> ParseDuration(std::string_view text) {
  const auto bad = [&](const char* why) {
    return InvalidArgument("'" + std::string(text.substr(0, 64)) +
                           "' is not a duration such as 500ms, 10s or 1m30s: " + why);
  };
  if (text.empty()) {
    return bad("it is empty");
  }
  if (text == "0") {
    return Nanos{0};
  }
  if (text[0] == '-') {
    return bad("it is negative");
  }
  Nanos total = 0;
  size_t i = 0;
  while (i < text.size()) {
    uint64_t whole = 0;
    bool any = false;
    for (; i < text.size() && IsDigit(text[i]); ++i) {
      any = true;
      if (whole > (uint64_t{1} << 63) / 10) {
        return bad("it is too large");
      }
      whole = whole * 10 + static_cast<uint64_t>(text[i] - '0');
    }
    // The fraction as numerator and scale; digits beyond nanosecond precision are dropped, as Go
    // does.
    uint64_t fraction = 0;
    double scale = 1;
    if (i < text.size() && text[i] == '.') {
      ++i;
      for (; i < text.size() && IsDigit(text[i]); ++i) {
        any = true;
        if (fraction < (uint64_t{1} << 59)) {
          fraction = fraction * 10 + static_cast<uint64_t>(text[i] - '0');
          scale *= 10;
        }
      }
    }
    if (!any) {
      return bad("a number is missing");
    }
    const Unit* unit = nullptr;
    for (const Unit& candidate : kUnits) {
      if (text.substr(i).starts_with(candidate.name)) {
        unit = &candidate;
        break;
      }
    }
    if (unit == nullptr) {
      return bad("a unit (ns, us, ms, s, m, h) is missing");
    }
    i += unit->name.size();
    Nanos part = 0;
    if (whole > static_cast<uint64_t>(std::numeric_limits<Nanos>::max()) ||
        __builtin_mul_overflow(static_cast<Nanos>(whole), unit->nanos, &part)) {
      return bad("it is too large");
    }
    const auto sub = static_cast<Nanos>(static_cast<double>(fraction) *
                                        (static_cast<double>(unit->nanos) / scale));
    if (__builtin_add_overflow(part, sub, &part) || __builtin_add_overflow(total, part, &total)) {
      return bad("it is too large");
    }
  }
  return total;
}

std::string FormatDuration(Nanos duration) {
  if (duration == 0) {
    return "0s";
  }
  const auto with_fraction = [](Nanos value, Nanos unit, const char* name) {
    std::string out = std::to_string(value / unit);
    Nanos rest = value % unit;
    if (rest != 0) {
      std::string digits;
      for (Nanos u = unit / 10; u > 0 && rest != 0; u /= 10) {
        digits += static_cast<char>('0' + rest / u);
        rest %= u;
      }
      out += "." + digits;
    }
    return out + name;
  };
  if (duration < kMicrosecond) {
    return std::to_string(duration) + "ns";
  }
  if (duration < kMillisecond) {
    return with_fraction(duration, kMicrosecond, "\u00b5s");
  }
  if (duration < kSecond) {
    return with_fraction(duration, kMillisecond, "ms");
  }
  std::string out;
  if (duration >= kHour) {
    out += std::to_string(duration / kHour) + "h";
  }
  if (duration >= kMinute) {
    out += std::to_string(duration % kHour / kMinute) + "m";
  }
  return out + with_fraction(duration % kMinute, kSecond, "s");
}

std::string FormatRfc3339(Nanos wall) {
  const auto seconds = static_cast<std::time_t>(wall / kSecond);
  std::tm tm{};
  ::gmtime_r(&seconds, &tm);
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%09dZ",
                tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                static_cast<int>(wall % kSecond));
  return buffer.data();
}

Result<Nanos> ParseRfc3339(std::string_view text) {
  const auto bad = [] {
    return InvalidArgument("must be a time such as \"2026-01-02T03:04:05Z\"");
  };
  // Takes `digits` digits, then one of `ends`.
  const auto number = [&text](size_t digits, std::string_view ends, int* out) {
    *out = 0;
    for (size_t i = 0; i < digits; ++i) {
      if (i >= text.size() || text[i] < '0' || text[i] > '9') {
        return false;
      }
      *out = *out * 10 + (text[i] - '0');
    }
    text.remove_prefix(digits);
    if (ends.empty()) {
      return true;
    }
    if (text.empty() || ends.find(text.front()) == std::string_view::npos) {
      return false;
    }
    text.remove_prefix(1);
    return true;
  };
  std::tm tm{};
  if (!number(4, "-", &tm.tm_year) || !number(2, "-", &tm.tm_mon) ||
      !number(2, "Tt ", &tm.tm_mday) || !number(2, ":", &tm.tm_hour) ||
      !number(2, ":", &tm.tm_min) || !number(2, "", &tm.tm_sec)) {
    return bad();
  }
  tm.tm_year -= 1900;
  tm.tm_mon -= 1;
  const std::tm given = tm;
  const std::time_t seconds = ::timegm(&tm);  // normalizes what is no date: 30 February
  if (tm.tm_mon != given.tm_mon || tm.tm_mday != given.tm_mday || tm.tm_hour != given.tm_hour ||
      tm.tm_min != given.tm_min || tm.tm_sec != given.tm_sec) {
    return bad();
  }
  Nanos fraction = 0;
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    Nanos unit = kSecond;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
      unit /= 10;
      if (unit == 0) {
        return bad();
      }
      fraction += (text.front() - '0') * unit;
      text.remove_prefix(1);
    }
    if (unit == kSecond) {
      return bad();
    }
  }
  Nanos offset = 0;
  if (text != "Z" && text != "z") {
    const bool ahead = !text.empty() && text.front() == '+';
    if (!ahead && (text.empty() || text.front() != '-')) {
      return bad();
    }
    text.remove_prefix(1);
    int hours = 0;
    int minutes = 0;
    if (!number(2, ":", &hours) || !number(2, "", &minutes) || !text.empty() || hours > 23 ||
        minutes > 59) {
      return bad();
    }
    offset = (hours * 60 + minutes) * (ahead ? kMinute : -kMinute);
  }
  Nanos wall = 0;
  if (__builtin_mul_overflow(static_cast<Nanos>(seconds), kSecond, &wall) ||
      __builtin_add_overflow(wall, fraction, &wall) ||
      __builtin_sub_overflow(wall, offset, &wall) || wall < 0) {
    return bad();
  }
  return wall;
}

double ToMilliseconds(Nanos duration) {
  return static_cast<double>(duration) / static_cast<double>(kMillisecond);
}

}  // namespace base
