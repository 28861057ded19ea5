#pragma once

#include <linux/filter.h>
#include <sched.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "sandbox/wire.h"

// A zygote is a warm program: started ahead, as far as to the opening of its source file, in a
// sandbox of its own, and forked into other sandboxes from there. What runs inside of it beside the
// program itself is ../warm/preload.cc. It never sees a request: it is told only to fork, and into
// which sandbox.
//
//   launcher -> zygote   ForkRequest (fds: link, namespaces, groups)
//   fork -> pid 1        ForkReport, over the link: confined, waits for its job
//   pid 1 -> fork        ForkStart (fds: stdin, stdout, stderr), then one byte when pid 1 is
//                        confined; the end of the link says that the program runs
//
// The last two are also between pid 1 and a program that it has started ahead itself (ahead.h).
namespace sandbox::launcher {

// What the zygote's program finds open.
inline constexpr int kZygoteControl = 3;
inline constexpr int kZygoteImage = 4;
// What a program finds that pid 1 has started ahead: its link. High, so that what the program opens
// gets the numbers that it always has.
inline constexpr int kAheadLink = 255;

// Where warm program number `kind` has its source.
inline wire::Name SourcePath(const wire::Setup& setup, uint32_t kind) {
  wire::Name path{};
  std::snprintf(path.data(), path.size(), "/box/%.200s", setup.warm_sources[kind].data());
  return path;
}

// Whether a program in the work folder that opens `path` opens its source.
inline bool IsSource(const wire::Name& source, const char* path) {
  return std::strcmp(path, source.data()) == 0 ||
         std::strcmp(path, std::strrchr(source.data(), '/') + 1) == 0;
}

// Of a sandbox that a zygote's child enters, in this order: only the owner of the first may enter
// the others. The last is absent where there are no control groups.
struct JobNamespace {
  const char* name;
  int flag;
};

inline constexpr size_t kMountNamespace = 1;
inline constexpr std::array<JobNamespace, 7> kJobNamespaces = {{{"user", CLONE_NEWUSER},
                                                                {"mnt", CLONE_NEWNS},
                                                                {"pid", CLONE_NEWPID},
                                                                {"net", CLONE_NEWNET},
                                                                {"ipc", CLONE_NEWIPC},
                                                                {"uts", CLONE_NEWUTS},
                                                                {"cgroup", CLONE_NEWCGROUP}}};

constexpr int NamespaceCount(bool cgroups) {
  return static_cast<int>(kJobNamespaces.size()) - (cgroups ? 0 : 1);
}

struct ForkRequest {
  uint32_t version;
  uint32_t namespaces;
  uint32_t groups;    // files that move who writes "0" into the group, open for writing
  uint32_t rehearse;  // whether there is time to make the job's start faster (../warm/finish.h)
};

struct ForkReport {
  wire::Step step;  // kNone: ready
  int32_t error;
  pid_t pid;  // in the sandbox
};

struct ForkStart {
  wire::RunLimits limits;
  uint32_t cgroups;  // 1: a control group bounds memory and processes
  uint32_t unused;
};

// What the zygote's children need to confine themselves. Launcher and preload are built together;
// the version guards against mixing them up.
struct ZygoteImage {
  uint32_t version;
  uint32_t root;
  int32_t landlock_abi;
  uint32_t mount_count;
  uint32_t filter_size;
  wire::Name source;  // absolute: the file whose opening is waited for
  wire::Words preload;
  std::array<wire::Mount, wire::kMaxMounts> mounts;
  std::array<sock_filter, wire::kMaxFilterInstructions> filter;
};

}  // namespace sandbox::launcher
