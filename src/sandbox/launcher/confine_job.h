#pragma once

#include <linux/filter.h>

#include <cstdint>

#include "sandbox/wire.h"

// How a program is confined, step by step, in the order that ../../../docs/security.md gives. The
// same for what pid 1 forks and for what a zygote forks. Only async-signal-safe calls; each
// function returns the step that failed, with errno, or kNone.
namespace sandbox::launcher {

struct ForkStart;

// The ids of the program inside its user namespace; pid 1 is 0 in root mode.
inline constexpr unsigned kJobUid = 1000;

struct Confinement {
  bool root = false;     // the program's id is one of its own, not the launcher's
  bool cgroups = false;  // memory and processes are bounded by a control group
  int landlock_abi = 0;
  const wire::Mount* mounts = nullptr;  // folders of the operator
  uint32_t mount_count = 0;
  sock_fprog filter{};
  bool terminal = false;  // /dev/pts has one, and is the program's
};

// Signals as at the start of a program. The two that glibc keeps for itself refuse, and stay
// default.
void DefaultSignals();

// For a process that waits confined: tells pid 1 over `link`, and waits for the job's limits with
// `wanted` descriptors (zygote.h). Ends the process when it is never claimed.
ForkStart AwaitStart(int link, int* fds, int wanted);

// Waits until pid 1 has confined itself; ends the process when it could not.
void AwaitGo(int link);

// Connects the standard streams and closes everything else but `link`.
wire::Step TakeStreams(int in, int out, int err, int link);

// The resource limits that are the same for every program. Those that the C library reads when a
// program starts are among them.
wire::Step SetFixedLimits(bool cgroups);

// Those that a job may choose. Limits are only ever lowered.
wire::Step SetLimits(const wire::RunLimits& limits, bool cgroups);

// Bounding set, user, capabilities, no_new_privs, Landlock; all but the seccomp filter.
wire::Step DropRights(const Confinement& confinement);

}  // namespace sandbox::launcher
