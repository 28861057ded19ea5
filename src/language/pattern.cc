#include "language/pattern.h"

// g++ 12 with -fsanitize sees uninitialised members in <regex>; nothing of ours
// does that here, and std::regex is used in no other file.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <regex>

#include "base/text.h"

namespace language {
namespace {

// std::regex recurses once a character, so the text it sees is kept short.
constexpr size_t kMaxText = 2048;

// std::regex of g++ 12 adds up the digits of a back reference without looking for an overflow, and
// makes as many states as a repetition says.
constexpr int kMaxDigits = 3;

bool HasLongNumber(const std::string& pattern) {
  int digits = 0;
  for (const char c : pattern) {
    digits = c >= '0' && c <= '9' ? digits + 1 : 0;
    if (digits > kMaxDigits) {
      return true;
    }
  }
  return false;
}

}  // namespace

base::Result<void> CheckOneGroup(const std::string& pattern) {
  base::Result<void> sound = CheckPattern(pattern);
  if (sound && std::regex(pattern).mark_count() != 1) {
    return base::InvalidArgument("must have exactly one group");
  }
  return sound;
}

base::Result<void> CheckPattern(const std::string& pattern) {
  if (HasLongNumber(pattern)) {
    return base::InvalidArgument("must have no number of more than three digits");
  }
  try {
    const std::regex read(pattern);
    return {};
  } catch (const std::regex_error& e) {
    return base::InvalidArgument("is not a regular expression: " + base::Printable(e.what()));
  }
}

std::optional<std::string> FindGroup(const std::string& text, const std::string& pattern) {
  const std::string start = text.substr(0, kMaxText);
  try {
    std::smatch match;
    if (std::regex_search(start, match, std::regex(pattern))) {
      return match[1].str();
    }
  } catch (const std::regex_error&) {  // its bound on work: as good as no match
  }
  return std::nullopt;
}

bool FullMatch(const std::string& text, const char* pattern) {
  try {
    return text.size() <= kMaxText && std::regex_match(text, std::regex(pattern));
  } catch (const std::regex_error&) {  // its bound on work: as good as no match
    return false;
  }
}

}  // namespace language
