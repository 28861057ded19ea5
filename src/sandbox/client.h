#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "sandbox/policy.h"
#include "sandbox/spec.h"
#include "sandbox/warm_program.h"

namespace boost::asio {
class io_context;
}

namespace sandbox {

struct ReadOnlyMount {
  std::string source;  // absolute, on the host
  std::string target;  // absolute, in every sandbox
};

struct NativeOptions {
  std::string launcher;                    // path of sandbox-launcher
  std::string min_isolation = "rootless";  // no-cgroup, rootless or full
  uint32_t uid_base = 1879048192;  // 0x70000000: the range that systemd's UIDS-GIDS leaves unused
  uint32_t park = 2;
  uint32_t cpus = 0;  // processors' worth of time that a sandbox may use; 0: not bounded
  std::vector<WarmProgram> warm;  // at most wire::kMaxWarm
  uint32_t warm_park = 2;         // sandboxes kept ready for each of them
  uint32_t warm_jobs = 1000;      // that share the memory layout of one start of the program
  std::vector<ReadOnlyMount> mounts;
  std::string root;  // absolute and resolved: /usr, /bin and the like come from here; empty: from /
};

// The launcher as a started, verified process. Holds its socket; the launcher ends when that
// closes.
struct Launcher {
  base::UniqueFd socket;
  base::UniqueFd process;                // pidfd
  std::string isolation;                 // "full", "rootless" or "no-cgroup"
  std::string detail;                    // cgroup version, Landlock ABI, what the level lacks
  std::vector<std::string> not_limited;  // what this level does not limit, a sentence each
  std::vector<WarmProgram> warm;
};

// Starts sandbox-launcher and waits until it has proved its limits on this machine. Call it while
// the process still has its privileges and only one thread. Blocking, 30 s at most. An error says
// what is missing.
base::Result<Launcher> StartLauncher(const NativeOptions& options, const Filters& filters);

// The native backend: runs every Spec in a sandbox of the launcher's. Lives on the loop's thread.
// The process ignores SIGPIPE from then on.
// `lost` is called once when the launcher ends on its own; runs under way then answer kInternal.
std::unique_ptr<Backend> MakeNativeBackend(boost::asio::io_context& loop, Launcher launcher,
                                           std::function<void()> lost);

}  // namespace sandbox
