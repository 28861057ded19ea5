#pragma once

#include <vector>

#include "base/time.h"
#include "base/unique_fd.h"
#include "sandbox/spec.h"
#include "sandbox/wire.h"

// What the launcher answers (sandbox/wire.h), in the words of sandbox/spec.h. No figure and no name
// in it is trusted to be one that was asked for.
namespace sandbox {

// Of a run that still runs.
LiveUsage ToUsage(const wire::Reply& reply);

// The end of a run that was started at that moment: all of `result` but its output. `files` are the
// descriptors that came with the reply; their content is copied, so that the memory of the dead
// sandbox is freed. `result->collected` holds the paths that were asked for by name.
void TakeReply(const wire::Reply& reply, std::vector<base::UniqueFd> files, base::Nanos started,
               RunResult* result);

}  // namespace sandbox
