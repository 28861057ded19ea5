#pragma once

#include <optional>
#include <string>

#include "base/result.h"

// ECMAScript regular expressions for short, trusted texts. Thread-safe.
namespace language {

// kInvalidArgument unless `pattern` is a regular expression with exactly one group.
base::Result<void> CheckOneGroup(const std::string& pattern);

// kInvalidArgument unless `pattern` is a regular expression without numbers of more than three
// digits.
base::Result<void> CheckPattern(const std::string& pattern);

// What the group of a checked pattern matches at the first place in `text`, cut to a short length.
std::optional<std::string> FindGroup(const std::string& text, const std::string& pattern);

// Whether `pattern` matches all of `text`. REQUIRES: it is a regular expression.
bool FullMatch(const std::string& text, const char* pattern);

}  // namespace language
