// Outputs of programs, compared with what was expected. The first byte chooses the checker, the
// second where the two texts part.

#include "executor/checker.h"

#include "fuzz.h"

FUZZ(checker, input) {
  fuzz::Input in(input);
  const auto checker = static_cast<job::Checker>(in.Take<uint8_t>() % 5);
  const size_t at = in.Take<uint8_t>();
  const std::string_view rest = in.TakeRest();
  const std::string_view expected = rest.substr(0, std::min(at, rest.size()));
  const std::string_view actual = rest.substr(expected.size());
  const auto difference = executor::Compare(checker, 1e-6, expected, actual);
  if (difference) {
    MUST(difference->line >= 1 && difference->expected.size() <= 203 &&
         difference->actual.size() <= 203);
  }
  if (checker == job::Checker::kExact) {
    MUST(difference.has_value() == (expected != actual));
  }
  MUST(!executor::Compare(checker, 0, actual, actual));
  // What differs for one side differs for the other.
  if (checker != job::Checker::kFloats) {
    MUST(difference.has_value() == executor::Compare(checker, 1e-6, actual, expected).has_value());
  }
}
