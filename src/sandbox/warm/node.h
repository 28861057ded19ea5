#pragma once

#include <cstdint>

// What Node.js does before it waits for its job, beside its own start.
namespace sandbox::warm {

// On the thread that runs JavaScript, while that has called into the C library: loads what nearly
// every program uses, by a fixed script. Nothing in another program, or in a Node.js that lacks
// what this needs.
void PrepareNode();

// After PrepareNode, before the program runs: lets Node.js believe that it was started so many
// nanoseconds later than it was, if it keeps its times where they are looked for.
void ForgetWait(int64_t nanos);

}  // namespace sandbox::warm
