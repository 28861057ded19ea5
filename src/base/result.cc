#include "base/result.h"

#include <system_error>

namespace base {

Error SysError(std::string what, int err) {
  ErrorKind kind = ErrorKind::kInternal;
  if (err == ENOENT) {
    kind = ErrorKind::kNotFound;
  }
  // generic_category().message is thread-safe, strerror is not.
  return {kind, std::move(what) + ": " + std::generic_category().message(err), err};
}

}  // namespace base
