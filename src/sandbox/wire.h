#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

// The messages between sandboxd and sandbox-launcher: fixed layouts over one SOCK_SEQPACKET socket,
// descriptors by SCM_RIGHTS. The launcher treats every message as hostile: it checks sizes,
// versions and ranges, and resolves no name but the operator's mount sources in Setup, which
// arrives once, before sandboxd has opened a socket to the world.
//
//   sandboxd -> launcher   Setup (fds: one seccomp program per Policy, one payload per warm
//                          program)
//   launcher -> sandboxd   Ready
//   sandboxd -> launcher   Request kRun (fds: payload, stdin, stdout, stderr, files...; with a
//                          terminal: payload, socket, files...) | kKill | kSignal | kPool |
//                          kClosed
//   launcher -> sandboxd   Reply (fds: one per collected file), also with kNoRun as its id, and
//                          with kStillRuns
//   launcher -> sandboxd   PoolReport, the answer to kPool
namespace sandbox::wire {

inline constexpr uint32_t kVersion = 7;
inline constexpr int kMaxFds = 32;      // of one message; the kernel allows SCM_MAX_FD, 253
inline constexpr int kFixedRunFds = 4;  // payload, stdin, stdout, stderr
inline constexpr int kMaxFileFds = kMaxFds - kFixedRunFds;
inline constexpr int kMaxCollect = 32;  // sandbox/outputs.h
inline constexpr int kMaxName = 256;    // a path with its final NUL
inline constexpr int kMaxMounts = 16;
inline constexpr int kMaxSandboxes = 256;         // at once
inline constexpr int kMaxWarm = 6;                // programs that are started ahead
inline constexpr int kMaxZygotes = 2 * kMaxWarm;  // of each: the one that serves, and the next
// Host ids: two for each sandbox and for each zygote.
inline constexpr uint32_t kHostIds = 2 * (kMaxSandboxes + kMaxZygotes);
inline constexpr int64_t kMaxPayload = int64_t{128} << 20;

// A program is measured when it has run for so long, and then after each pause. (Nanoseconds.)
inline constexpr int64_t kUsageAfter = 250'000'000;
inline constexpr int64_t kUsageEvery = 500'000'000;

using Name = std::array<char, kMaxName>;
using Words = std::array<char, 1024>;  // with commas between and a final NUL

// The seccomp programs that Setup carries, in the order of its descriptors. kRun and kCompile match
// sandbox::Profile.
enum class Policy : uint32_t { kRun = 0, kCompile = 1, kInit = 2 };
inline constexpr int kPolicies = 3;
inline constexpr int kMaxFilterInstructions = 4096;  // BPF_MAXINSNS

enum class Isolation : uint32_t {
  kNoCgroup = 0,  // user namespaces, but nothing bounds memory and processes as a whole
  kRootless = 1,  // cgroup limits, but all sandboxes share one host uid
  kFull = 2,      // cgroup limits and a host uid of its own for every sandbox
};

struct Mount {
  Name source;
  Name target;
};

struct Setup {
  uint32_t version;
  uint32_t min_isolation;  // Isolation
  uint32_t uid_base;       // first of kHostIds host ids that nothing else uses
  uint32_t park;           // sandboxes kept ready
  uint32_t mount_count;
  uint32_t cpus;  // processors' worth of time for each sandbox, 0: not bounded
  uint32_t warm_count;
  uint32_t warm_park;  // sandboxes kept ready for each warm program, its process in them; of one
                       // that is not forked while it is in use
  uint32_t warm_jobs;  // a zygote is replaced after so many
  uint32_t unused;
  // Programs that are started ahead, as far as to the opening of this file of the work folder: the
  // job's source. Their payloads hold argv and environment and no file.
  std::array<Name, kMaxWarm> warm_sources;
  // 1: one start is forked for each job. 0: each job has a start of its own, in its sandbox.
  std::array<uint32_t, kMaxWarm> warm_forks;
  std::array<Words, kMaxWarm> warm_preloads;  // modules that such a program loads ahead, too
  std::array<Mount, kMaxMounts> mounts;       // read-only folders of the operator
  Name root;  // where /usr, /bin and the like come from; empty: the machine's own
};

struct Ready {
  uint32_t version;
  uint32_t ok;
  uint32_t isolation;
  uint32_t cgroup_version;  // 0, 1 or 2
  uint32_t landlock_abi;
  std::array<char, 1024> message;  // why not ok, or what the level lacks
};

// kClosed: a run's stdout and stderr are closed by all who had them. Nothing has to come of it; it
// lets the launcher see sooner that the program has ended.
enum class RequestType : uint32_t { kRun = 1, kKill = 2, kSignal = 3, kPool = 4, kClosed = 5 };

// What a run's stdin is: a sealed memfd, a pipe that sandboxd feeds, or a terminal, which is its
// stdout and stderr as well. Pid 1 makes that and sends its master, one byte with one descriptor,
// over a SOCK_SEQPACKET socket of sandboxd's. But with a file kSignal reaches its process group.
enum class Input : uint32_t { kFile = 0, kPipe = 1, kTerminal = 2 };

inline constexpr int kMaxTerminalSide = 1000;  // rows, and columns

// Descriptors of a run's message ahead of those of its files.
constexpr int FixedRunFds(uint32_t input) {
  return input == static_cast<uint32_t>(Input::kTerminal) ? 2 : kFixedRunFds;
}

enum class KillReason : uint32_t { kCancel = 0, kOutputLimit = 1 };

struct RunLimits {
  int64_t wall_time;
  int64_t cpu_time;
  int64_t memory_bytes;
  int64_t processes;
  int64_t file_bytes;
  int64_t open_files;
};

struct Request {
  uint32_t version;
  uint32_t type;
  uint64_t id;
  uint32_t profile;  // Policy kRun or kCompile
  uint32_t detail;   // kRun: Input; kKill: KillReason; kSignal: its number
  uint32_t collect_count;
  // 0, or 1 + the number of the warm program whose argv and environment the payload has: the run
  // may start in its process, but need not.
  uint32_t warm;
  uint32_t rows;  // kTerminal: its size; else 0
  uint32_t cols;
  int64_t collect_bytes;
  RunLimits limits;
  std::array<Name, kMaxCollect> collect;  // paths and patterns, as sandbox/outputs.h has them
};

// What is sent of one: without the names that it does not have.
constexpr size_t SizeOf(const Request& request) {
  const size_t unused =
      request.collect_count < kMaxCollect ? kMaxCollect - request.collect_count : 0;
  return sizeof(request) - unused * sizeof(Name);
}

// What ended the program. More than one may be set; the client applies the precedence.
enum EndFlag : uint32_t {
  kEndedWall = 1U << 0,
  kEndedCpu = 1U << 1,
  kEndedMemory = 1U << 2,
  kEndedOutput = 1U << 3,
  kEndedCancel = 1U << 4,
  kEndedInternal = 1U << 5,
  kHitProcessLimit = 1U << 6,
  kHasStatus = 1U << 7,  // wait_status is the main process's
  kMoreFiles = 1U << 8,  // not all files that the patterns match were collected
  kStillRuns = 1U << 9,  // alone: no end, but what the run has used so far; -1: not known
};

struct CollectedFile {
  int32_t error;  // errno, 0 when a descriptor follows
  uint32_t unused;
  int64_t size;
  Name path;
};

// The id of a reply that belongs to no run: it tells `quarantined` alone.
inline constexpr uint64_t kNoRun = 0;

// What the launcher sends after Ready.
enum class ReplyType : uint32_t { kRun = 0, kPool = 1 };

struct Reply {
  uint32_t version;
  uint32_t type;  // ReplyType kRun
  uint64_t id;
  int32_t wait_status;
  uint32_t step;  // the failing step when kEndedInternal
  int32_t error;  // and its errno
  uint32_t collect_count;
  uint32_t quarantined;  // sandboxes that have not died though killed, at this moment
  uint32_t flags;
  int64_t wall_time;
  int64_t cpu_time;
  int64_t memory_peak_bytes;
  int64_t processes_peak;
  int64_t started_at;    // CLOCK_MONOTONIC at the program's exec, 0 when it never started
  int64_t memory_bytes;  // with kStillRuns: at the moment
  int64_t processes;     // likewise
  std::array<CollectedFile, kMaxCollect> collected;
};

// Likewise.
constexpr size_t SizeOf(const Reply& reply) {
  const size_t unused = reply.collect_count < kMaxCollect ? kMaxCollect - reply.collect_count : 0;
  return sizeof(reply) - unused * sizeof(CollectedFile);
}

// What a run found of the kind that it asked for: a parked sandbox, one that was being built, or
// none, so that another one served.
enum class Found : uint32_t { kParked = 0, kBuilding = 1, kNone = 2 };
inline constexpr int kFounds = 3;

// The parts of building a sandbox: its control group and pid 1 in its namespaces, the file system
// view, and the fork of a zygote, or the program's own start, where it is warm.
enum class BuildStep : uint32_t { kProcess = 0, kView = 1, kFork = 2 };
inline constexpr int kBuildSteps = 3;

// The sandboxes of one kind. All but the first three are counted from the launcher's start on.
struct PoolKind {
  uint32_t parked;
  uint32_t building;
  uint32_t zygotes;  // that serve
  uint32_t unused;
  std::array<uint64_t, kFounds> claims;  // a run that finds no warm one also claims a plain one
  uint64_t built;
  uint64_t failed;                              // while being built
  std::array<int64_t, kBuildSteps> build_time;  // nanoseconds, of those built
  uint64_t zygotes_started;
  uint64_t forks;  // that zygotes were asked for
};

inline constexpr int kMaxKinds = 1 + kMaxWarm;  // plain ones, then those of each warm program

struct PoolReport {
  uint32_t version;
  uint32_t type;  // ReplyType kPool
  uint32_t kind_count;
  uint32_t unused;
  std::array<PoolKind, kMaxKinds> kinds;
};

// The payload: a memfd that the launcher passes on unread. pid 1 of the sandbox, confined, reads
// it. PayloadHeader, then argc + envc strings, then per file a PayloadFile, its path and, for
// fd_index < 0, its content. A string is a uint32_t length and its bytes and a NUL.
struct PayloadHeader {
  uint32_t magic;
  uint32_t argc;
  uint32_t envc;
  uint32_t files;
};

inline constexpr uint32_t kPayloadMagic = 0x31584253;  // "SBX1"
inline constexpr uint32_t kMaxStrings = 4096;

struct PayloadFile {
  uint32_t executable;
  int32_t fd_index;  // among the file descriptors of the request
  uint64_t size;     // of inline content
};

static_assert(std::is_trivially_copyable_v<Setup> && std::is_trivially_copyable_v<Request> &&
              std::is_trivially_copyable_v<Reply> && std::is_trivially_copyable_v<Ready> &&
              std::is_trivially_copyable_v<PoolReport>);

// The steps of building and running a sandbox, in their order, for error messages.
enum class Step : uint32_t {
  kNone = 0,
  kFork,
  kCgroupCreate,
  kCgroupLimits,
  kCgroupEnter,
  kClone,
  kIdMaps,
  kOomScore,
  kBecomeRoot,
  kCloseFds,
  kCgroupNamespace,
  kHostname,
  kLoopback,
  kNoNestedNamespaces,
  kPrivateMounts,
  kRootTmpfs,
  kMountPoints,
  kBindMounts,
  kDevices,
  kTmpfs,
  kProc,
  kPivot,
  kBoxFd,
  kPayload,
  kResize,
  kTerminal,
  kWriteFiles,
  kJobFork,
  kStdio,
  kSession,
  kRlimits,
  kCapabilities,
  kUser,
  kNoNewPrivileges,
  kLandlock,
  kSeccomp,
  kExec,
  kInitConfine,
  kInitLost,
  kDeadline,
  kKillAll,
  kCgroupRemove,
  kRequest,
  kRemoveFolder,
  kWarmStart,
  kWarmFork,
  kEnterNamespaces,
};

constexpr const char* StepName(Step step) {
  switch (step) {
    case Step::kNone:
      return "none";
    case Step::kFork:
      return "fork";
    case Step::kCgroupCreate:
      return "create cgroup";
    case Step::kCgroupLimits:
      return "write cgroup limits";
    case Step::kCgroupEnter:
      return "enter cgroup";
    case Step::kClone:
      return "clone3 into new namespaces";
    case Step::kIdMaps:
      return "write uid and gid maps";
    case Step::kOomScore:
      return "write oom_score_adj";
    case Step::kBecomeRoot:
      return "become root of the user namespace";
    case Step::kCloseFds:
      return "close inherited descriptors";
    case Step::kCgroupNamespace:
      return "unshare cgroup namespace";
    case Step::kHostname:
      return "set host name";
    case Step::kLoopback:
      return "bring loopback up";
    case Step::kNoNestedNamespaces:
      return "forbid nested user namespaces";
    case Step::kPrivateMounts:
      return "make mounts private";
    case Step::kRootTmpfs:
      return "mount root tmpfs";
    case Step::kMountPoints:
      return "create mount points";
    case Step::kBindMounts:
      return "bind read-only folders";
    case Step::kDevices:
      return "bind device files";
    case Step::kTmpfs:
      return "mount work folders";
    case Step::kProc:
      return "mount proc";
    case Step::kPivot:
      return "pivot_root";
    case Step::kBoxFd:
      return "open the work folder";
    case Step::kPayload:
      return "read payload";
    case Step::kResize:
      return "size the work folders";
    case Step::kTerminal:
      return "make the terminal";
    case Step::kWriteFiles:
      return "write input files";
    case Step::kJobFork:
      return "fork the program";
    case Step::kStdio:
      return "connect standard streams";
    case Step::kSession:
      return "setsid";
    case Step::kRlimits:
      return "set resource limits";
    case Step::kCapabilities:
      return "drop capabilities";
    case Step::kUser:
      return "change user";
    case Step::kNoNewPrivileges:
      return "set no_new_privs";
    case Step::kLandlock:
      return "restrict with Landlock";
    case Step::kSeccomp:
      return "load seccomp filter";
    case Step::kExec:
      return "exec";
    case Step::kInitConfine:
      return "confine pid 1";
    case Step::kInitLost:
      return "pid 1 of the sandbox vanished";
    case Step::kDeadline:
      return "set-up deadline";
    case Step::kKillAll:
      return "kill all processes";
    case Step::kCgroupRemove:
      return "remove cgroup";
    case Step::kRequest:
      return "check request";
    case Step::kRemoveFolder:
      return "remove the work folder";
    case Step::kWarmStart:
      return "start the warm program";
    case Step::kWarmFork:
      return "fork from the warm program";
    case Step::kEnterNamespaces:
      return "enter the sandbox from the warm program";
  }
  return "unknown";
}

}  // namespace sandbox::wire
