// The builder of a sandbox: a child of the launcher that makes the cgroup, enters it and clones pid
// 1 from within, then reports and ends.

#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "linux/syscall.h"
#include "sandbox/launcher/sandbox.h"

namespace sandbox::launcher {

using wire::Step;

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
  args.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC |
               CLONE_NEWUTS | CLONE_PARENT;
  linux::CgroupLeaf leaf;
  if (cgroups.version() != 0) {
    if (!cgroups.Create(name_.data()) || !cgroups.OpenLeaf(name_.data(), &leaf)) {
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
  // CLONE_PARENT makes pid 1 a child of the launcher, so that it outlives this builder.
  report.pid = linux::Clone3(&args);
  if (report.pid < 0) {
    fail(Step::kClone);
  }
  if (report.pid == 0) {
    InitMain(context, control);
  }
  char path[64];
  const auto write = [&](const char* file, const char* text) {
    std::snprintf(path, sizeof(path), "/proc/%d/%s", report.pid, file);
    return linux::WriteFileAt(AT_FDCWD, path, text, std::strlen(text));
  };
  char map[128];
  if (context.root) {
    // Two host ids of this slot alone: pid 1 and the program. Per-user kernel counters are thus its
    // own.
    const unsigned first = context.setup.uid_base + 2 * static_cast<unsigned>(index_);
    std::snprintf(map, sizeof(map), "0 %u 1\n%u %u 1\n", first, kJobUid, first + 1);
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
