// How a sandbox ends: everything of it is killed and proven dead, what the job has used and left is
// taken, its control group is kept for the next one or removed.

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "linux/message.h"
#include "linux/syscall.h"
#include "sandbox/launcher/sandbox.h"
#include "sandbox/outputs.h"

namespace sandbox::launcher {

static_assert(wire::kMaxCollect == kMaxOutputs && wire::kMaxName == kMaxOutputPath);

namespace {

using wire::Step;

constexpr int64_t kMs = 1'000'000;
// Of the trials at start: nothing else can be done meanwhile, and a slow death is no weak limit. On
// version 1 of cgroups a move into a group holds up every fork and exit of the machine.
constexpr int64_t kProbeKillDeadline = 40'000 * kMs;
constexpr int64_t kRetryInterval = 20 * kMs;  // of removing a cgroup
constexpr int64_t kKeepGroup = 200 * kMs;     // for the next sandbox

}  // namespace

void Sandbox::KillAll(int64_t now) {
  if (state_ == State::kEnding || state_ == State::kRemoving || state_ == State::kFree) {
    return;
  }
  state_ = State::kEnding;
  Kill(now);
  if (!process_.valid() && !builder_report_.valid()) {
    OnDead(now);  // it never had a process
  }
}

void Sandbox::Kill(int64_t now) {
  kill_due_ = false;
  KillProcesses();
  deadline_ = now + (claim_.run.probe == Probe::kNone ? kKillDeadline : kProbeKillDeadline);
  next_tick_ = deadline_;
}

// Killing pid 1 kills its whole namespace, and it can be waited for only when that is empty
// (zap_pid_ns_processes): the wait in OnDead is the proof.
void Sandbox::KillProcesses() {
  if (has_group()) {
    context_->cgroups.Kill(leaf_);
  }
  if (process_.valid()) {
    linux::PidfdKill(process_.get());  // ESRCH: it is dead already, and the pidfd says so next
  }
}

// What cannot be killed or removed in time, such as a process in an uninterruptible wait, keeps its
// slot and host ids out of use for as long as it takes. Nobody waits for it.
void Sandbox::Quarantine(Step step) {
  if (!quarantined_) {
    quarantined_ = true;
    std::fprintf(
        stderr,
        "{\"level\":\"error\",\"msg\":\"a sandbox does not end, its place stays out of use "
        "until it does\",\"sandbox\":\"%s\",\"step\":\"%s\"}\n",
        name_.data(), wire::StepName(step));
  }
  if (has_claim_ && !has_reply_) {
    reply_.flags |= wire::kEndedInternal;
    reply_.step = static_cast<uint32_t>(step);
    reply_.error = ETIMEDOUT;
    has_reply_ = true;
  }
}

// Nothing of the job runs any more: measures what it has used and takes its files.
void Sandbox::Conclude(int64_t now) {
  linux::CgroupUsage usage;
  const bool measured =
      context_->cgroups.version() != 0 && has_group() && context_->cgroups.Read(leaf_, &usage);
  if (measured) {
    reply_.cpu_time = std::max<int64_t>(0, usage.cpu_nanos - cpu_before_);
    // Kernels before 5.19 (memory.peak) and 6.1 (pids.peak) measure no peak of the group.
    reply_.memory_peak_bytes = usage.memory_peak_bytes > 0 ? usage.memory_peak_bytes : main_rss_;
    reply_.processes_peak =
        std::max<int64_t>(reply_.started_at != 0 ? 1 : 0, usage.tasks_peak - kInitTasks);
    reply_.flags |= usage.oom_kills > 0 ? static_cast<uint32_t>(wire::kEndedMemory) : 0U;
    reply_.flags |= usage.refused_forks > 0 ? static_cast<uint32_t>(wire::kHitProcessLimit) : 0U;
  } else {
    reply_.cpu_time = main_cpu_;
    reply_.memory_peak_bytes = main_rss_;
    reply_.processes_peak = reply_.started_at != 0 ? 1 : 0;
  }
  if (reply_.wall_time == 0 && reply_.started_at != 0) {
    reply_.wall_time = now - reply_.started_at;
  }
  const int64_t cpu_limit = claim_.run.limits.cpu_time;
  if (cpu_limit > 0 && reply_.cpu_time >= cpu_limit) {
    reply_.flags |= wire::kEndedCpu;
  }
  constexpr uint32_t kReasons = wire::kHasStatus | wire::kEndedWall | wire::kEndedCpu |
                                wire::kEndedMemory | wire::kEndedOutput | wire::kEndedCancel |
                                wire::kEndedInternal;
  if ((reply_.flags & kReasons) == 0) {
    reply_.flags |= wire::kEndedInternal;
    reply_.step = static_cast<uint32_t>(Step::kInitLost);
  }
  Collect();
  has_reply_ = true;
}

void Sandbox::OnDead(int64_t now) {
  if (process_.valid()) {
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(process_.get()), &info, WEXITED | WNOHANG | __WALL) !=
            0 ||
        info.si_pid == 0) {
      return;
    }
    Close(&process_);
    kill_due_ = false;
  }
  if (state_ == State::kRunning && control_.valid()) {
    // The pidfd may be seen before the last messages of pid 1: read them first.
    while (control_.valid() && state_ == State::kRunning) {
      OnControl(now);
    }
  }
  if (state_ != State::kEnding) {
    state_ = State::kEnding;
  }
  if (!has_reply_ && (has_claim_ || claim_.id != 0)) {
    Conclude(now);
  }
  Close(&control_);
  CloseMounts();
  program_process_.reset();
  user_namespace_.reset();
  zygote_ = nullptr;
  state_ = State::kRemoving;
  deadline_ = now + kKillDeadline;
  Remove(now);
}

// Unmounting waits for every processor of the machine to have passed a point (synchronize_rcu in
// namespace_unlock): the last to hold a mount namespace does that, when it lets go of it.
void Sandbox::CloseMounts() {
  const int held[] = {box_.get(), mounts_.get()};
  if (box_.valid() && mounts_.valid()) {
    const char nothing = 0;
    linux::SendMessage(closer_, &nothing, sizeof(nothing), held, 2, MSG_DONTWAIT);
  }
  box_.reset();  // last only when the closer could not take it
  mounts_.reset();
}

// After every process is dead, by descriptor, through no link, regular files with one name only.
// Of a program that did not end by itself nothing is looked at.
void Sandbox::Collect() {
  int64_t left = claim_.collect_bytes;
  const bool ran = (reply_.flags & wire::kHasStatus) != 0 && box_.valid();
  const auto take = [&](const char* path) {
    const size_t i = reply_.collect_count++;
    wire::CollectedFile& file = reply_.collected[i];
    std::snprintf(file.path.data(), file.path.size(), "%s", path);
    base::UniqueFd fd(
        ran ? linux::OpenBeneath(box_.get(), path,
                                 O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC)
            : -1);

    struct stat info {};

    if (!ran) {
      file.error = ECANCELED;
    } else if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
      file.error = errno;
    } else if (!S_ISREG(info.st_mode) || info.st_nlink != 1) {
      file.error = EISDIR;
    } else if (info.st_size > left) {
      file.error = EFBIG;
    } else {
      left -= info.st_size;
      file.size = info.st_size;
      collected_[i] = std::move(fd);
    }
  };
  const auto name_of = [&](size_t i) { return claim_.collect[i].data(); };
  const int folder = ran ? box_.get() : -1;
  if (claim_.collect_count > 0 && !FindOutputs(folder, claim_.collect_count, name_of, take) &&
      ran) {
    reply_.flags |= wire::kMoreFiles;
  }
}

void Sandbox::Forget(bool kill, int64_t now) {
  if (kill && kill_due_) {
    Kill(now);
  }
  has_reply_ = false;
  has_claim_ = false;
  claim_ = {};
  collected_ = {};
}

void Sandbox::Remove(int64_t now) {
  next_tick_ = INT64_MAX;
  if (context_->cgroups.version() != 0) {
    if (KeepGroup()) {
      next_tick_ = now + kKeepGroup;
    } else if (!RemoveGroup()) {
      // Zombies that are not reaped yet: tried until it works.
      next_tick_ = now + (now < deadline_ ? kRetryInterval : kKillDeadline);
      if (now >= deadline_) {
        Quarantine(Step::kCgroupRemove);
      }
      return;
    }
  }
  state_ = State::kFree;
  quarantined_ = false;
}

// For the next sandbox of this slot. With less than kSpareMemory nothing may wait in it.
bool Sandbox::KeepGroup() {
  if (discarded_ || quarantined_ || role_ == Role::kZygote || limits_.memory_bytes < kSpareMemory ||
      !context_->cgroups.Renew(name_.data(), &leaf_)) {
    return false;
  }
  if (!leaf_.folders[linux::CgroupLeaf::kTasks].valid()) {
    limits_.processes = 0;
  }
  return true;
}

bool Sandbox::RemoveGroup() {
  for (base::UniqueFd& folder : leaf_.folders) {
    folder.reset();
  }
  return context_->cgroups.Remove(name_.data());
}

void Sandbox::Discard(int64_t now) {
  discarded_ = true;
  KillAll(now);
  if (state_ == State::kFree && has_group()) {
    RemoveGroup();
  }
}

}  // namespace sandbox::launcher
