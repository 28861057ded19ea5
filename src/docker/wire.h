#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

// What sandboxd, the broker and the supervisor say to each other. Fixed layouts in the machine's
// own byte order: all three run on one machine.
//
//   sandboxd -> broker       Request (fds: stdin, stdout, stderr of the command), SOCK_SEQPACKET
//   broker -> sandboxd       Reply, once a request
//   sandboxd -> supervisor   a job on its stdin; its end of file means: kill everything and go
//   supervisor -> sandboxd   frames on its stdout
//
// A job: JobHeader, the seccomp program, then strings (a uint32_t length and the bytes) in this
// order: root folder, cache folder, arguments, environment ("NAME=value"), names to collect; then
// per file a JobFile, its path as a string and its content; then the program's stdin. After the job
// come Controls, each with its data.
//
// Frames: FrameHeader and its payload, in this order: kHello, kStarted, any kStdout, kStderr and
// kUsage, for each collected file a kFile and its kFileData, kDone. Only kHello and kDone are
// always there. kTaken may come at any time between kHello and the files.
namespace docker::wire {

inline constexpr uint32_t kVersion = 4;

// The commands that the broker knows. Each is a fixed command line; a request chooses one and names
// a container.
enum class Command : uint32_t {
  kList = 1,    // running containers: id, name, state, label sandbox.language
  kListOwned,   // names of containers that this service, or one before it, has made
  kInspect,     // one container: id, state, image, networks
  kConnect,     // connect it to SANDBOX_NETWORK
  kCheck,       // exec the supervisor as the jobs' user: does the container fit, remove leftovers
  kExec,        // exec the supervisor as the jobs' user: one job
  kExecAsRoot,  // exec the supervisor as root: one warm-up
  kRun,         // a new single-use container that waits for one job
  kRunAsRoot,   // a new container for one warm-up
  kRemove,      // remove a container that this service has made, with all that runs in it
  kLast = kRemove,
};

// A container that a sandboxd makes is called <this><owner>-<number>.
inline constexpr const char* kOwnedPrefix = "code-sandbox-";

inline constexpr int kMaxName = 256;      // with its final NUL
inline constexpr int kMaxCommands = 512;  // at once
inline constexpr int kRequestFds = 3;

enum class RequestType : uint32_t { kStart = 1, kKill = 2 };

struct Request {
  uint32_t version;
  uint32_t type;
  uint64_t id;
  uint32_t command;
  uint32_t unused;
  int64_t deadline;  // nanoseconds from now; the command is killed then
  std::array<char, kMaxName> name;
};

struct Reply {
  uint32_t version;
  int32_t error;  // errno when it could not be started
  uint64_t id;
  int32_t wait_status;
  uint32_t timed_out;
};

inline constexpr uint32_t kJobMagic = 0x314A5343;  // "CSJ1"
inline constexpr uint32_t kMaxStrings = 4096;
inline constexpr uint32_t kMaxString = 1U << 20;
inline constexpr uint32_t kMaxFiles = 1024;
inline constexpr uint32_t kMaxCollect = 32;   // sandbox/outputs.h
inline constexpr uint32_t kMaxPath = 256;     // of a collected file, with its final NUL
inline constexpr uint32_t kMaxFilter = 4096;  // BPF_MAXINSNS
inline constexpr uint64_t kMaxStdin = uint64_t{1} << 30;
inline constexpr uint64_t kMaxContent = uint64_t{1} << 30;

enum JobFlag : uint32_t {
  kWarmUp = 1U << 0,     // trusted: fills the cache folder, with no seccomp, Landlock or own user
  kSingleUse = 1U << 1,  // nothing else will run in this container
  kTidy = 1U << 2,       // what the job's user owns in /tmp, /var/tmp and /dev/shm is of jobs only
  kLive = 1U << 3,       // its stdin is what kInput brings; stdin_bytes is 0
  kTerminal = 1U << 4,   // with kLive: its streams are a terminal, all output is kStdout
};

struct JobHeader {
  uint32_t magic;
  uint32_t flags;
  uint64_t space;  // tells this container from others that share its kernel or its folder
  int64_t wall_time;
  int64_t cpu_time;
  int64_t memory_bytes;
  int64_t processes;
  int64_t file_bytes;
  int64_t open_files;
  int64_t output_bytes;
  int64_t collect_bytes;
  uint64_t stdin_bytes;
  uint32_t filter;  // instructions
  uint32_t argc;
  uint32_t envc;
  uint32_t collect;
  uint32_t files;
  uint16_t rows;  // of the terminal
  uint16_t cols;
};

struct JobFile {
  uint32_t executable;
  uint32_t unused;
  uint64_t size;
};

// Of a job without kLive only kCancel.
enum class ControlType : uint32_t {
  kCancel = 1,  // kill it, and answer
  kInput,       // `detail` bytes follow, for its stdin
  kInputEnd,    // its stdin ends after them; with a terminal nothing
  kSignal,      // to its process group; lost before it runs
  kResize,      // the size of its terminal from now on: rows << 16 | columns
};

struct Control {
  uint32_t type;
  uint32_t detail;
};

// So many bytes of input may have been sent and not been told of by kTaken: the supervisor keeps
// what the program does not read, and stays within reach of signals.
inline constexpr uint32_t kInputWindow = 256U << 10;

enum class FrameType : uint32_t {
  kHello = 1,
  kStarted,
  kStdout,
  kStderr,
  kFile,
  kFileData,
  kDone,
  kUsage,
  kTaken,
};

struct FrameHeader {
  uint32_t type;
  uint32_t size;
};

inline constexpr uint32_t kMaxFrame = 64U << 10;

// A stream that is cut is sent this much further: whether the cut splits a character shows behind
// it.
inline constexpr int64_t kOutputSlack = 4;

struct Hello {
  uint32_t version;
  uint32_t uid;
  int32_t landlock_abi;
  int32_t error;  // errno of the step that failed, for a check
  uint32_t step;  // sandbox::wire::Step
  uint32_t unused;
};

// What the running program has used so far, at most once in half of sandbox::wire::kUsageEvery.
struct Usage {
  int64_t wall_time;
  int64_t cpu_time;
  int64_t memory_bytes;  // at the moment
  int64_t memory_peak_bytes;
  int64_t processes;  // at the moment
};

// So many bytes more of the input are in the program's pipe or terminal, or nobody's any more.
struct Taken {
  uint32_t bytes;
};

struct File {
  uint32_t index;
  int32_t error;  // errno, 0 when the content follows
  int64_t size;
  std::array<char, kMaxPath> path;
};

// Flags are those of sandbox::wire::EndFlag, and these.
inline constexpr uint32_t kStdoutTruncated = 1U << 16;
inline constexpr uint32_t kStderrTruncated = 1U << 17;

struct Done {
  uint32_t flags;
  int32_t wait_status;
  uint32_t step;  // sandbox::wire::Step, when kEndedInternal
  int32_t error;  // and its errno
  int64_t wall_time;
  int64_t cpu_time;
  int64_t memory_peak_bytes;
  int64_t processes_peak;
};

static_assert(std::is_trivially_copyable_v<Request> && std::is_trivially_copyable_v<Reply> &&
              std::is_trivially_copyable_v<JobHeader> && std::is_trivially_copyable_v<Done> &&
              std::is_trivially_copyable_v<Usage>);

}  // namespace docker::wire
