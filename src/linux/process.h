#pragma once

#include <sys/types.h>

// What /proc tells of a process, for who holds it: as a child, or by a pidfd. Does not block or
// allocate.
namespace linux {

// The one child of process `pid`; -1: it has none or several, or this kernel does not tell
// (CONFIG_PROC_CHILDREN).
pid_t OnlyChild(pid_t pid);

// Whether ReadEnd sees the end of process `pid`, now that it runs: who may not trace it does not
// (ptrace(2), PTRACE_MODE_READ_FSCREDS). It stays so for one that has the capability over the
// process's user namespace; for others the process itself can change it.
bool MaySeeEnd(pid_t pid);

// True when process `pid` has ended and its memory was given up, but perhaps not yet freed: that is
// before it can be waited for, by as long as freeing takes (do_exit sets the status, then calls
// exit_mm). `*wait_status` as waitpid(2) will tell it. REQUIRES: MaySeeEnd has been true.
bool ReadEnd(pid_t pid, int* wait_status);

}  // namespace linux
