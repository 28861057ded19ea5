// The builder of a sandbox: a child of the launcher that makes the cgroup, enters it and clones pid
// 1 from within, then reports and ends.

#include <linux/securebits.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "linux/syscall.h"
#include "sandbox/launcher/sandbox.h"

namespace sandbox::launcher {

using wire::Step;

namespace {

// Takes the id as the effective one, since a new user namespace belongs to that. Files are opened
// as before, and no capability is lost.
bool ActFor(uid_t id) {
  constexpr unsigned long kSame = SECBIT_NO_SETUID_FIXUP;
  const auto root = static_cast<uid_t>(0);
  const auto none = static_cast<uid_t>(-1);
  if (::prctl(PR_SET_SECUREBITS, kSame, 0, 0, 0) != 0 || ::setresgid(none, id, none) != 0 ||
      ::setresuid(none, id, none) != 0) {
    return false;
  }
  ::setfsgid(root);  // these tell only what was before
  ::setfsuid(root);
  return ::setfsgid(none) == 0 && ::setfsuid(none) == 0;
}

}  // namespace

void Sandbox::BuilderMain(int control, int report_fd) {
  BuilderReport report{};
  const auto fail = [&](Step step) {
    report.step = step;
    report.error = errno;
    linux::WriteAll(report_fd, &report, sizeof(report));
    ::_exit(1);
  };
  const Context& context = *context_;
  linux::CgroupBase& cgroups = context_->cgroups;
  clone_args args{};
  // What a zygote's child is to enter has to lie below its own namespaces: so a zygote has no pid
  // namespace of its own, and its user namespace becomes the parent of those of its sandboxes.
  args.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
               CLONE_PARENT | (role_ == Role::kZygote ? 0 : CLONE_NEWPID);
  linux::CgroupLeaf& leaf = leaf_;  // this process's own copy
  if (cgroups.version() != 0) {
    if (!cgroups.Create(name_.data(), &leaf)) {
      fail(Step::kCgroupCreate);
    }
    if (context.setup.cpus != 0 && !cgroups.SetCpus(leaf, context.setup.cpus)) {
      fail(Step::kCgroupLimits);
    }
    if (cgroups.version() == 1 && !cgroups.EnterSelf(leaf)) {
      fail(Step::kCgroupEnter);
    }
    if (cgroups.version() == 2) {
      args.flags |= CLONE_INTO_CGROUP;
      args.cgroup = static_cast<uint64_t>(leaf.folders[0].get());
    }
  }
  if (zygote_ != nullptr &&
      ((context.root &&
        !ActFor(context.setup.uid_base + 2 * static_cast<unsigned>(zygote_->index_))) ||
       ::setns(zygote_->user_namespace_.get(), CLONE_NEWUSER) != 0)) {
    fail(Step::kWarmFork);
  }
  const unsigned first = context.setup.uid_base + 2 * static_cast<unsigned>(index_);
  // CLONE_PARENT makes pid 1 a child of the launcher, so that it outlives this builder.
  report.pid = linux::Clone3(&args);
  if (report.pid < 0) {
    fail(Step::kClone);
  }
  if (report.pid == 0) {
    if (role_ == Role::kZygote) {
      ZygoteMain(context, control, kind_, first);
    }
    InitMain(context, control,
             role_ != Role::kWarm ? Ahead::kNothing
             : zygote_ != nullptr ? Ahead::kFork
                                  : Ahead::kStart,
             kind_);
  }
  char path[64];
  const auto write = [&](const char* file, const char* text) {
    std::snprintf(path, sizeof(path), "/proc/%d/%s", report.pid, file);
    return linux::WriteFileAt(AT_FDCWD, path, text, std::strlen(text));
  };
  char map[128];
  if (context.root) {
    if (role_ == Role::kZygote) {
      // As on the machine, so that the maps of sandboxes below are the same with and without it.
      std::snprintf(map, sizeof(map), "%u %u %u\n", context.setup.uid_base, context.setup.uid_base,
                    wire::kHostIds);
    } else {
      // Two host ids of this slot alone: pid 1 and the program. Per-user kernel counters are thus
      // its own.
      std::snprintf(map, sizeof(map), "0 %u 1\n%u %u 1\n", first, kJobUid, first + 1);
    }
    if (!write("uid_map", map) || !write("gid_map", map)) {
      fail(Step::kIdMaps);
    }
  } else if (!WriteOwnIdMaps(report.pid)) {
    fail(Step::kIdMaps);
  }
  if (!write("oom_score_adj", "1000")) {
    fail(Step::kOomScore);
  }
  linux::WriteAll(report_fd, &report, sizeof(report));
  ::_exit(0);
}

}  // namespace sandbox::launcher
