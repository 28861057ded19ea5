#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/result.h"

namespace sandbox {

// A prepared root whose /usr, /bin and the like sandboxes show instead of the machine's own.
struct Rootfs {
  std::string path;         // absolute, all links resolved
  std::string fingerprint;  // of names, kinds, modes, sizes, times and links; not of content
  int64_t files = 0;
};

// Looks through everything that sandboxes would show. kInvalidArgument, naming the first place,
// when anything there belongs to another than root, may be written by others, gains rights when
// executed (setuid, setgid, file capabilities) or is no file, folder or link; and when
// `service_user` could move the root away. Blocking: a tenth of a second for ten thousand files.
base::Result<Rootfs> BlockingCheckRootfs(const std::string& path,
                                         std::optional<uid_t> service_user);

}  // namespace sandbox
