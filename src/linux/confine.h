#pragma once

#include <linux/filter.h>
#include <sys/resource.h>

#include <cstdint>

// The irreversible steps that confine the calling process. For the launcher's children after
// clone3: no allocation, no locks. Each returns false with errno; the caller must then exit.
namespace linux {

// Empties the capability bounding set and locks the securebits, so that no later exec can gain
// anything. REQUIRES: CAP_SETPCAP in the current user namespace; call before changing the user.
bool DropBoundingSet();

// Empties the effective, permitted, inheritable and ambient sets.
bool DropCapabilities();

// The same, but `capability` stays in the effective and permitted sets, up to the next exec.
bool DropCapabilitiesBut(int capability);

// Lowers soft and hard limit to `value`, or leaves a lower hard limit as it is.
bool LimitTo(__rlimit_resource resource, rlim_t value);

// The Landlock version of the running kernel, 0 when there is none.
int LandlockAbi();

// A Landlock domain for a job: everything may be listed, the folders of `read_only` read and
// executed, those of `writable` used freely, /dev/null and the like read and written, and so those
// of `devices`: devices, or folders of them. Each list ends with a null. Signals and abstract
// sockets stay inside where the kernel can (ABI 6). REQUIRES: no_new_privs.
bool RestrictWithLandlock(int abi, const char* const* read_only, const char* const* writable,
                          const char* const* devices);

// What a service may use beside what it holds open. The lists end with a null or a 0.
struct ServiceRules {
  const char* const* read;   // folders whose files may be read
  const char* const* write;  // folders whose files may be read, changed, made and removed
  const uint16_t* listen;    // TCP ports (ABI 4)
  const uint16_t* connect;
};

// A Landlock domain for a service: nothing else is opened, nothing is executed, no device, socket
// or link is made; signals and abstract sockets stay inside (ABI 6). REQUIRES: no_new_privs.
bool RestrictService(int abi, const ServiceRules& rules);

enum class SeccompLog { kNothing, kRefusals };

// REQUIRES: no_new_privs.
bool LoadSeccomp(const sock_fprog& program, SeccompLog log = SeccompLog::kNothing);

}  // namespace linux
