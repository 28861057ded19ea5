// Language files.

#include "base/text.h"
#include "fuzz.h"
#include "language/loader.h"

FUZZ(language, input) {
  const auto loaded = language::ParseLanguage(input, "fuzz.toml");
  if (!loaded) {
    MUST(loaded.error().kind == base::ErrorKind::kInvalidArgument);
    MUST(loaded.error().message.starts_with("fuzz.toml:"));
    return;
  }
  const language::Language& language = loaded->language;
  MUST(!language.id.empty() && !language.source.empty() && !language.run.argv.empty());
  MUST(loaded->names.count(language.id) == 1);
  MUST(language.source.find('/') == std::string::npos && language.source != "..");
}
