#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "language/language.h"

namespace language {

// A folder's name for the cache: "<id>-<16 hex digits>" of everything that decides what the warm-up
// produces. REQUIRES: language.available, language.warm_up.
std::string WarmUpName(const Language& language, const Place& place = {});

// Makes sure, by a command that runs at `place`, that `cache_root` holds the complete,
// world-readable cache folder of this language's toolchain, and answers its path. It is built in a
// sibling folder and renamed when complete, so that an interrupted warm-up leaves nothing that
// looks finished; folders of other versions of the same language are removed. Processes that share
// `cache_root` take turns. Blocking, bounded by `deadline`. REQUIRES: language.available,
// language.warm_up.
base::Result<std::string> BlockingWarmUpOne(const Language& language, const std::string& cache_root,
                                            base::Nanos deadline,
                                            const std::function<void(std::string)>& say,
                                            const Place& place = {});

}  // namespace language
