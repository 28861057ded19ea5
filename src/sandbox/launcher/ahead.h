#pragma once

#include <sys/types.h>

#include <cstdint>

#include "sandbox/launcher/context.h"

// A program that is started ahead in a parked sandbox, for the one job that claims it: for what
// cannot be forked, since it has threads. Confined from its first instruction as when a job starts
// it, it starts as it always does, as far as to the opening of its source. There ../warm/start.cc
// makes it wait; it has seen nothing of a job by then. Its streams, and those limits that a job
// chooses, come with the job, as a zygote's fork gets them (zygote.h).
namespace sandbox::launcher {

// What programs that are started ahead find in their view: the source, empty, since they look at
// its path when they start, and what they load. False with errno.
bool WriteAhead(const Context& context, uint32_t kind);

// Forks and starts warm program number `kind`; `payload` has its command and is closed. Its pid,
// and in *link our end of the link to it, over which come a StepError or a ForkReport. -1 with
// errno and *step. For pid 1, in a view with `preload`.
pid_t StartAhead(const Context& context, uint32_t kind, int payload, int* link, wire::Step* step);

// Once the program waits: takes out of the view what only it was to find. False with errno.
bool RemoveAhead(const Context& context, uint32_t kind);

}  // namespace sandbox::launcher
