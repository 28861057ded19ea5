#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "docker/conversation.h"
#include "language/language.h"
#include "sandbox/spec.h"

// Finds out whether a container has a language's toolchain, and warms it up there.
namespace docker {

// Runs something in the container in question. For a warm-up `cache` is the folder to fill, else
// empty. Calls back once, never from within.
using RunInside = std::function<void(sandbox::Spec spec, std::string cache,
                                     std::function<void(Conversation::Outcome)> done)>;

// Where the cache of a language's warm-up is, in every container and on the host.
// REQUIRES: language.available, language.warm_up.
std::string CachePath(const std::string& job_dir, const language::Language& language);

// `wanted` as the registry has it. While that is not available, all candidates are tried, and the
// answer is the language with the tool and version that were found, and with `stamp` to tell builds
// of that version apart. Once it is available, the
// container must have the same tool in the same version. `done` is called once.
void ProbeLanguage(language::Language wanted, std::string stamp, std::string job_dir, RunInside run,
                   std::function<void(const base::Result<language::Language>&)> done);

}  // namespace docker
