#pragma once

#include <cstddef>

#include "sandbox/wire.h"

// What the launcher demands of messages before it acts on them. Pure functions of the bytes, but
// for CheckDescriptors; no allocation, no exception. The fuzzers call them without privileges.
namespace sandbox::launcher {

// Setup: the versions, counts and names. `fd_count` is the number of descriptors that came along.
bool CheckSetup(const wire::Setup& setup, int fd_count);

// A message of `size` bytes that claims to be a Request: 0 or the errno to refuse it with. What a
// request of this type does not use may hold anything.
int CheckRequest(const wire::Request& request, size_t size, int fd_count);

// True for a memfd that nobody can change any more, open for reading.
bool IsSealed(int fd);

// The descriptors of a run, in their order: payload, stdin and files must be sealed memfds, so that
// nobody changes or shrinks them while they are read; stdout and stderr must be writing ends of
// pipes, and stdin a reading end where the request says so. Asks the kernel only what it answers
// from the descriptor itself: no file system is asked, so none can stall the launcher. REQUIRES:
// fd_count >= wire::kFixedRunFds.
bool CheckDescriptors(const wire::Request& request, const int* fds, int fd_count);

}  // namespace sandbox::launcher
