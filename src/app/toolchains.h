#pragma once

#include "app/config.h"
#include "app/privileges.h"
#include "base/result.h"
#include "language/language.h"
#include "sandbox/client.h"
#include "sandbox/rootfs.h"

namespace app {

// Looks for toolchains where jobs of the native backend will run, on this machine or in the
// prepared root, and warms them up; fills in what of `native` follows from that. Answers the
// prepared root, which is empty without one. Blocking; while the process still has its privileges.
base::Result<sandbox::Rootfs> FindToolchains(const Config& config, const User* owner,
                                             language::Registry* languages,
                                             sandbox::NativeOptions* native);

// What of `languages` is started ahead, as SANDBOX_WARM_START has it. An error names a language
// that does not exist or cannot be started ahead.
base::Result<void> ChooseWarm(const Config& config, const language::Registry& languages,
                              sandbox::NativeOptions* native);

}  // namespace app
