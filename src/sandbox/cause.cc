#include "sandbox/cause.h"

#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <system_error>

#include "sandbox/wire.h"

namespace sandbox {

Cause CauseOf(uint32_t flags, int wait_status) {
  const auto has = [&](uint32_t flag) { return (flags & flag) != 0; };
  if (has(wire::kEndedCancel)) {
    return Cause::kCancelled;
  }
  if (has(wire::kEndedMemory)) {
    return Cause::kMemoryLimit;
  }
  if (has(wire::kEndedInternal)) {
    return Cause::kInternal;
  }
  if (has(wire::kEndedOutput)) {
    return Cause::kOutputLimit;
  }
  if (has(wire::kEndedWall)) {
    return Cause::kWallTimeLimit;
  }
  if (has(wire::kEndedCpu)) {
    return Cause::kCpuTimeLimit;
  }
  if (has(wire::kHasStatus) && WIFSIGNALED(wait_status)) {
    return WTERMSIG(wait_status) == SIGSYS ? Cause::kPolicyViolation : Cause::kSignalled;
  }
  return Cause::kExited;
}

std::string CollectError(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return "not found";
    case EISDIR:
    case ENXIO:  // a socket
      return "not a regular file";
    case ELOOP:
      return "reached through a link";
    case EFBIG:
      return "too large";
    case ECANCELED:
      return "not collected";
    default:
      return std::generic_category().message(error);
  }
}

}  // namespace sandbox
