#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "language/language.h"

namespace language {

struct LoadedLanguage {
  Language language;
  std::map<std::string, int64_t> names;  // the id and the aliases, each with its line
};

// Reads one language file's text; `file` is its name for messages. Strict: unknown and missing
// keys, wrong types and values out of range are kInvalidArgument, "file:line: what is wrong".
base::Result<LoadedLanguage> ParseLanguage(std::string_view text, const std::string& file);

// The element of a step's argv that stands for the client's compiler arguments.
inline constexpr std::string_view kCompilerArgs = "{compiler_args}";

// Replaces every `name` (such as "{tool}") in `text` by `value`.
std::string Expand(std::string text, std::string_view name, std::string_view value);

}  // namespace language
