#pragma once

#include <vector>

#include "job/json.h"
#include "job/key.h"
#include "language/language.h"
#include "service/service.h"

namespace service {

// Checks of a submission what depends on configuration and on the caller's key (null: none), and
// brings it into the form that is stored: the language canonical, the entrypoint named, its content
// in `code` and the other files in `files`; what it does not ask for and the key gives less of than
// everybody gets is asked for; its checker program likewise. Returns what is wrong; then the
// submission is not to be used.
std::vector<job::FieldError> Validate(const Options& options, const language::Registry& languages,
                                      const job::Key* key, job::ParsedSubmission* parsed);

// Brings the languages of a key into the form that Validate compares: ids. Returns what is wrong.
std::vector<job::FieldError> ValidateKey(const language::Registry& languages, job::Key* key);

}  // namespace service
