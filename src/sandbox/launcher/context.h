#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <array>
#include <cstdint>

#include "base/unique_fd.h"
#include "linux/cgroup.h"
#include "sandbox/launcher/confine_job.h"
#include "sandbox/wire.h"

// What the launcher knows, filled once at start and then only read, also by the children it forks.
namespace sandbox::launcher {

struct Context {
  wire::Setup setup{};
  wire::Isolation isolation = wire::Isolation::kNoCgroup;
  bool root = false;             // may map host ids of its own for each sandbox
  bool writable_mounts = false;  // only when the operator's own tools run in the view
  int landlock_abi = 0;
  linux::CgroupBase cgroups;
  std::array<std::array<sock_filter, wire::kMaxFilterInstructions>, wire::kPolicies> filters{};
  std::array<uint16_t, wire::kPolicies> filter_sizes{};
  std::array<base::UniqueFd, wire::kMaxWarm> warm_payloads;

  sock_fprog Filter(wire::Policy policy) const {
    const auto n = static_cast<size_t>(policy);
    return {filter_sizes[n], const_cast<sock_filter*>(filters[n].data())};
  }

  Confinement Confine(wire::Policy policy) const {
    return {root,
            isolation != wire::Isolation::kNoCgroup,
            landlock_abi,
            setup.mounts.data(),
            setup.mount_count,
            Filter(policy)};
  }
};

// Between the launcher and pid 1 of one sandbox, over a SOCK_SEQPACKET pair.
enum class ControlType : uint32_t {
  kGo = 1,  // launcher -> init: the id maps are written; with the payload of what it is to start
  kReady,   // init -> launcher, with an O_PATH descriptor of /box and the mount namespace: parked,
           // or ready for a fork of a zygote, with its link and all namespaces. From a zygote, with
           // its user namespace
  kWarm,     // init -> launcher: parked, with the program's process; from a zygote: it serves
  kRun,      // launcher -> init, with the descriptors of a Request kRun
  kSignal,   // launcher -> init: for the program's process group
  kStarted,  // init -> launcher: the program's exec succeeded
  kExited,   // init -> launcher: the main process has ended
  kFailed,   // init -> launcher: a step failed
};

// What the main process does instead of exec when the launcher verifies its own limits at start.
enum class Probe : uint32_t { kNone = 0, kMemory, kTasks };

struct ControlRun {
  ControlType type;
  wire::Policy policy;
  Probe probe;
  uint32_t file_fds;
  wire::Input input;
  uint16_t rows;  // of a terminal
  uint16_t cols;
  wire::RunLimits limits;
};

struct ControlSignal {
  ControlType type;
  int32_t signal;
};

struct ControlReport {
  ControlType type;
  wire::Step step;
  int32_t error;
  int32_t wait_status;
  int64_t at;         // CLOCK_MONOTONIC of the event
  int64_t cpu_nanos;  // kExited: of the main process and the children it waited for
  int64_t max_rss_bytes;
};

// What becomes the program of a sandbox before a job claims it: nothing, a fork of a zygote, or a
// start of warm program number `kind` (ahead.h).
enum class Ahead : uint32_t { kNothing = 0, kFork, kStart };

// Pid 1 of a sandbox; runs in the child of clone3 and never returns.
[[noreturn]] void InitMain(const Context& context, int control, Ahead ahead, uint32_t kind);

// The first process of the zygote of warm program number `kind`, likewise. `id` is its user and
// group.
[[noreturn]] void ZygoteMain(const Context& context, int control, uint32_t kind, uid_t id);

struct View {
  uid_t owner = kJobUid;  // of the work folder
  bool zygote = false;    // no proc
  bool preload = false;   // programs load kPreloadPath
};

// Where a view in which programs are started ahead holds what they load, ../warm, linked.
inline constexpr char kPreloadPath[] = "/tmp/sandbox-warm.so";
inline constexpr char kPreloadListPath[] = "/etc/ld.so.preload";
inline constexpr char kPreloadList[] = "/tmp/sandbox-warm.so\n";  // ld.so(8): /etc/ld.so.preload

// Builds the file system view of the sandbox and enters it. False with errno; *step says where.
bool BuildRoot(const Context& context, const View& view, wire::Step* step);

// Opens the read-only sources as detached mounts while the process still has the launcher's host
// uid, so that folders above them may be closed to others. Part one of BuildRoot.
bool OpenSources(const Context& context, wire::Step* step);

// Runs a tool of the operator's in the view that programs get, as the invoking user:
// "sandbox-launcher
// --view ROOT MOUNTS COMMAND...". Not a sandbox: nothing is limited or filtered. For the toolchains
// of a prepared root, whose versions are asked and whose caches are filled before any job.
int ViewMain(Context* context, int argc, char** argv);

// Writes the id maps of process `pid`, which has just been cloned into a user namespace: without
// host ids of its own, that is kJobUid stands for the calling user. False with errno.
bool WriteOwnIdMaps(pid_t pid);

// The program's side of the fork in pid 1: confines itself and execs, but not before `link`, a
// socket to pid 1, has said that pid 1 is confined. It closes on exec, unless the program is
// started ahead. Reports a failing step through it. Never returns.
struct JobStart {
  const Context* context;
  const ControlRun* run;
  int stdin_fd;
  int stdout_fd;
  int stderr_fd;
  int link;
  char** argv;
  char** envp;
};

[[noreturn]] void JobMain(const JobStart& start);

// The same for a process that is forked while the sandbox is parked, and confines itself as for a
// run (Policy::kRun) then. It says so over `link` with a ForkReport, and gets with a ForkStart
// (zygote.h; descriptors: stdin, stdout, stderr, payload) what is the job's own. At the end of the
// link it ends.
[[noreturn]] void WaitingJobMain(const Context& context, int link);

// Makes the terminal of a run, in an instance of devpts that holds nothing else, at /dev/pts, and
// sends its master over `socket`, which must take it at once. The slave, or -1 with errno. For pid
// 1 while it has its capabilities.
base::UniqueFd MakeTerminal(const ControlRun& run, int socket);

struct StepError {
  wire::Step step;
  int32_t error;
};

// Reads the payload: fills argv and envp (pointers into the mapping) and writes the input files
// below the current folder. False with errno and the step.
bool LoadPayload(int payload, const int* file_fds, uint32_t file_fd_count, bool root, char*** argv,
                 char*** envp, wire::Step* step);

// Reads argv and envp alone, likewise. False with errno.
bool LoadCommand(int payload, char*** argv, char*** envp);

}  // namespace sandbox::launcher
