// Go durations: whatever is accepted comes back from its own spelling.

#include "base/time.h"
#include "fuzz.h"

FUZZ(duration, input) {
  const auto parsed = base::ParseDuration(input);
  if (!parsed) {
    MUST(parsed.error().kind == base::ErrorKind::kInvalidArgument);
    return;
  }
  MUST(*parsed >= 0);
  const std::string text = base::FormatDuration(*parsed);
  const auto again = base::ParseDuration(text);
  MUST(again);
  // Fractions of hours go through a double, as in Go: what was formatted is exact, though.
  MUST(*again == *parsed);
}
