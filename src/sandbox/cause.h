#pragma once

#include <cstdint>
#include <string>

#include "sandbox/spec.h"

namespace sandbox {

// What a run is said to have ended by, out of everything that was true (wire::EndFlag) and the main
// process's wait status.
Cause CauseOf(uint32_t flags, int wait_status);

// Why a file was not collected, in words for clients; `error` as the collector has told it.
std::string CollectError(int error);

}  // namespace sandbox
