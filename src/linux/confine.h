#pragma once

#include <linux/filter.h>
#include <sys/resource.h>

// The irreversible steps that confine the calling process. For the launcher's children after
// clone3: no allocation, no locks. Each returns false with errno; the caller must then exit.
namespace linux {

// Empties the capability bounding set and locks the securebits, so that no later exec can gain
// anything. REQUIRES: CAP_SETPCAP in the current user namespace; call before changing the user.
bool DropBoundingSet();

// Empties the effective, permitted, inheritable and ambient sets.
bool DropCapabilities();

// Lowers soft and hard limit to `value`, or leaves a lower hard limit as it is.
bool LimitTo(__rlimit_resource resource, rlim_t value);

// The Landlock version of the running kernel, 0 when there is none.
int LandlockAbi();

// A Landlock domain for the sandbox's own root: everything may be listed, the system folders and
// `read_only` (null-terminated list) read and executed, /box, /tmp and /dev/shm used freely, /dev's
// files read and written. Signals and abstract sockets stay inside where the kernel can (ABI 6).
// REQUIRES: no_new_privs.
bool RestrictWithLandlock(int abi, const char* const* read_only);

// REQUIRES: no_new_privs.
bool LoadSeccomp(const sock_fprog& program);

}  // namespace linux
