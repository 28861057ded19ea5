// How a sandbox is built, parked and run; sandbox_end.cc has how it ends.

#include "sandbox/launcher/sandbox.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "linux/message.h"
#include "linux/process.h"
#include "linux/syscall.h"
#include "sandbox/launcher/zygote.h"

namespace sandbox::launcher {
namespace {

using wire::Step;

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kBuildDeadline = 20'000 * kMs;
constexpr int64_t kStartDeadline = 20'000 * kMs;  // copying large inputs included
constexpr int64_t kKillDue = 2 * kMs;             // after the outcome is known
constexpr int64_t kPollInterval = 20 * kMs;       // of CPU time and out-of-memory counters
constexpr int64_t kZygoteMemory = 512 << 20;  // a bound for accidents: it runs nothing of a job's
constexpr int64_t kZygoteTasks = 32;

}  // namespace

void Sandbox::Init(Context* context, int index, int epoll, int closer, Tallies* tallies) {
  context_ = context;
  index_ = index;
  epoll_ = epoll;
  closer_ = closer;
  tallies_ = tallies;
}

Tally& Sandbox::tally() const {
  return (*tallies_)[role_ == Role::kPlain ? 0 : 1 + kind_];
}

// Its program is a warm one that no zygote forks.
bool Sandbox::starts_program() const {
  return role_ == Role::kWarm && context_->setup.warm_forks[kind_] == 0;
}

void Sandbox::EndStep(wire::BuildStep step, int64_t now) {
  build_time_[static_cast<size_t>(step)] = now - step_since_;
  step_since_ = now;
}

void Sandbox::Watch(int fd, Source source) const {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = static_cast<uint64_t>(index_) << 8 | source;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
}

// Taken out of the loop first: a builder that was forked meanwhile holds the same socket, and with
// it the watch would outlive the descriptor, always ready and never read.
void Sandbox::Close(base::UniqueFd* watched) const {
  if (watched->valid()) {
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, watched->get(), nullptr);
    watched->reset();
  }
}

bool Sandbox::Build(Role role, uint32_t kind, Sandbox* zygote, int64_t now) {
  int control[2];
  int report[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0) {
    return false;
  }
  base::UniqueFd ours(control[0]);
  const base::UniqueFd theirs(control[1]);
  if (::pipe2(report, O_CLOEXEC) != 0) {
    return false;
  }
  base::UniqueFd report_read(report[0]);
  const base::UniqueFd report_write(report[1]);
  role_ = role;
  kind_ = kind;
  zygote_ = zygote;
  zygote_generation_ = zygote == nullptr ? 0 : zygote->generation_;
  forks_ = 0;
  ++generation_;
  if (!has_group()) {
    std::snprintf(name_.data(), name_.size(), "%d-%llu", index_,
                  static_cast<unsigned long long>(generation_));
    limits_ = {};
  }
  builder_ = ::fork();
  if (builder_ < 0) {
    return false;
  }
  if (builder_ == 0) {
    ours.reset();
    BuilderMain(theirs.get(), report_write.get());
  }
  control_ = std::move(ours);
  builder_report_ = std::move(report_read);
  Watch(builder_report_.get(), kBuilder);
  reply_ = {};
  reply_.version = wire::kVersion;
  has_reply_ = false;
  quarantined_ = false;
  usage_due_ = false;
  cpu_before_ = 0;
  main_cpu_ = 0;
  main_rss_ = 0;
  kill_due_ = false;
  discarded_ = false;
  build_time_ = {};
  step_since_ = now;
  tally().zygotes_started += role == Role::kZygote ? 1 : 0;
  state_ = State::kBuilding;
  deadline_ = now + kBuildDeadline;
  next_tick_ = deadline_;
  return true;
}

void Sandbox::Assign(Claim claim, int64_t now) {
  claim_ = std::move(claim);
  has_claim_ = true;
  reply_.id = claim_.id;
  if (state_ == State::kParked) {
    StartRun(now);
  }
}

// Writes only what differs from what has been written to this group before.
bool Sandbox::SetGroupLimits(const GroupLimits& limits) {
  const bool memory = limits.memory_bytes != limits_.memory_bytes;
  const bool tasks = limits.processes != limits_.processes;
  limits_ = {};
  if ((memory && !context_->cgroups.SetMemory(leaf_, limits.memory_bytes)) ||
      (tasks && !context_->cgroups.SetTasks(leaf_, limits.processes + kInitTasks))) {
    return false;
  }
  limits_ = limits;
  return true;
}

// What is used from here on is the job's. While a sandbox is parked its processes sleep.
void Sandbox::BeginMeasuring() {
  context_->cgroups.ResetPeaks(leaf_);
  cpu_before_ = std::max<int64_t>(0, context_->cgroups.ReadCpuNanos(leaf_));
}

void Sandbox::StartRun(int64_t now) {
  // Limits are written before the job has any process.
  if (context_->cgroups.version() != 0) {
    if (!SetGroupLimits({claim_.run.limits.memory_bytes, claim_.run.limits.processes})) {
      return Fail(Step::kCgroupLimits, errno, now);
    }
    tally().last_limits = limits_;
    if (starts_program()) {
      BeginMeasuring();  // it may have threads that were at work until now
    }
  }
  int fds[wire::kMaxFds];
  for (int i = 0; i < claim_.fd_count; ++i) {
    fds[i] = claim_.fds[static_cast<size_t>(i)].get();
  }
  if (!linux::SendMessage(control_.get(), &claim_.run, sizeof(claim_.run), fds, claim_.fd_count,
                          MSG_DONTWAIT)) {
    return Fail(Step::kInitLost, errno, now);
  }
  for (base::UniqueFd& fd : claim_.fds) {
    fd.reset();
  }
  state_ = State::kRunning;
  discarded_ = claim_.run.probe != Probe::kNone;
  run_since_ = now;
  deadline_ = now + kStartDeadline;
  next_tick_ = std::min(deadline_, now + kPollInterval);
}

void Sandbox::OnEvent(Source source, int64_t now) {
  switch (source) {
    case kBuilder:
      if (builder_report_.valid()) {
        OnBuilt(now);
      }
      break;
    case kControl:
      if (control_.valid()) {
        OnControl(now);
      }
      break;
    case kProcess:
      if (process_.valid()) {
        OnDead(now);
      }
      break;
  }
}

void Sandbox::OnBuilt(int64_t now) {
  BuilderReport report{};
  const bool complete = ::read(builder_report_.get(), &report, sizeof(report)) == sizeof(report);
  Close(&builder_report_);
  ::waitpid(builder_, nullptr, 0);
  builder_ = -1;
  if (complete && report.pid > 0) {
    // Our child and not yet waited for: the number cannot have been given to another process.
    init_ = report.pid;
    process_.reset(linux::PidfdOpen(init_));
    Watch(process_.get(), kProcess);
  }
  if (context_->cgroups.version() != 0) {
    context_->cgroups.OpenLeaf(name_.data(), &leaf_);
  }
  if (state_ != State::kBuilding) {  // ended meanwhile, when there was nothing to kill yet
    KillProcesses();
    if (!process_.valid()) {
      OnDead(now);
    }
    return;
  }
  if (!complete || report.step != Step::kNone) {
    build_failed_ = true;
    return Fail(complete ? report.step : Step::kFork, report.error, now);
  }
  if (role_ == Role::kZygote && context_->cgroups.version() != 0 &&
      (!context_->cgroups.SetMemory(leaf_, kZygoteMemory) ||
       !context_->cgroups.SetTasks(leaf_, kZygoteTasks))) {
    return Fail(Step::kCgroupLimits, errno, now);
  }
  EndStep(wire::BuildStep::kProcess, now);
  const ControlType go = ControlType::kGo;
  const int payload =
      role_ == Role::kZygote || starts_program() ? context_->warm_payloads[kind_].get() : -1;
  if (!linux::SendMessage(control_.get(), &go, sizeof(go), &payload, payload < 0 ? 0 : 1,
                          MSG_DONTWAIT)) {
    return Fail(Step::kInitLost, errno, now);
  }
  Watch(control_.get(), kControl);
}

void Sandbox::OnControl(int64_t now) {
  ControlReport report{};
  int fds[linux::kMaxMessageFds];
  int fd_count = 0;
  const ssize_t n =
      linux::ReceiveMessage(control_.get(), &report, sizeof(report), fds, &fd_count, MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) {
    return;
  }
  base::UniqueFd received[linux::kMaxMessageFds];
  for (int i = 0; i < fd_count; ++i) {
    received[i].reset(fds[i]);
  }
  if (n != sizeof(report)) {
    Close(&control_);
    const bool out_of_memory = context_->cgroups.version() != 0 && has_group() &&
                               context_->cgroups.ReadOomKills(leaf_) > 0;
    if (state_ == State::kRunning && out_of_memory) {
      return KillAll(now);  // killed with its group when out of memory; OnDead tells
    }
    return Fail(Step::kInitLost, 0, now);
  }
  switch (report.type) {
    case ControlType::kReady:
      OnReady(received, fd_count, now);
      break;
    case ControlType::kWarm:
      if (state_ != State::kBuilding || !(box_.valid() || user_namespace_.valid())) {
        return Fail(Step::kInitLost, EPROTO, now);
      }
      EndStep(wire::BuildStep::kFork, now);
      Park(now);
      break;
    case ControlType::kStarted:
      if (state_ != State::kRunning || reply_.started_at != 0) {
        return;  // said once, and nothing moves the deadline afterwards
      }
      reply_.started_at = std::clamp(report.at, run_since_, now);
      deadline_ = reply_.started_at + claim_.run.limits.wall_time;
      next_tick_ = std::min(deadline_, now + kPollInterval);
      next_usage_ = reply_.started_at + wire::kUsageAfter;
      break;
    case ControlType::kExited:
      if (state_ != State::kRunning || reply_.started_at == 0) {
        return;  // crossed with the kill
      }
      main_cpu_ = report.cpu_nanos;
      main_rss_ = report.max_rss_bytes;
      OnExited(report.wait_status, report.at, kInitTasks, now);
      break;
    case ControlType::kFailed:
      if (state_ == State::kBuilding) {
        build_failed_ = true;
      }
      Fail(report.step, report.error, now);
      break;
    case ControlType::kGo:
    case ControlType::kRun:
    case ControlType::kSignal:
      Fail(Step::kInitLost, EPROTO, now);
      break;
  }
}

// The main process has ended. When nothing but `tasks_left` processes is in the group, pid 1, which
// is ours, and perhaps what is left of the main one, the job is over, however long it takes to end
// the namespace.
void Sandbox::OnExited(int wait_status, int64_t at, int64_t tasks_left, int64_t now) {
  reply_.flags |= wire::kHasStatus;
  reply_.wait_status = wait_status;
  reply_.wall_time = std::clamp(at, reply_.started_at, now) - reply_.started_at;
  if (context_->cgroups.version() != 0 && context_->cgroups.ReadTasks(leaf_) == tasks_left) {
    Conclude(now);
    state_ = State::kEnding;
    kill_due_ = true;  // after the answer: pid 1 would take the processor from us to end
    next_tick_ = now + kKillDue;
  } else {
    KillAll(now);
  }
}

void Sandbox::OnOutputClosed(int64_t now) {
  constexpr int64_t kTasks = kInitTasks + 1;
  int status = 0;
  // Files are taken when nothing can write to them any more. Who looks at the pidfd last knows that
  // the number was that of no other process.
  if (state_ == State::kRunning && reply_.started_at != 0 && program_process_.valid() &&
      claim_.collect_count == 0 && context_->cgroups.ReadTasks(leaf_) == kTasks &&
      linux::ReadEnd(program_, &status) && WIFEXITED(status) &&
      linux::PidfdExists(program_process_.get())) {
    OnExited(status, now, kTasks, now);
  }
}

void Sandbox::OnReady(base::UniqueFd* fds, int fd_count, int64_t now) {
  const int wanted = role_ == Role::kZygote ? 1
                     : zygote_ == nullptr   ? 2
                                            : 2 + NamespaceCount(context_->cgroups.version() != 0);
  if (state_ != State::kBuilding || fd_count != wanted || box_.valid() || user_namespace_.valid()) {
    return Fail(Step::kInitLost, EPROTO, now);
  }
  EndStep(wire::BuildStep::kView, now);
  switch (role_) {
    case Role::kPlain:
      box_ = std::move(fds[0]);
      mounts_ = std::move(fds[1]);
      return Park(now);
    case Role::kWarm:
      box_ = std::move(fds[0]);
      if (zygote_ == nullptr) {
        mounts_ = std::move(fds[1]);
        break;
      }
      if (!AskForFork(fds + 1, fd_count - 1)) {
        Fail(Step::kWarmFork, errno, now);
      }
      mounts_ = std::move(fds[2 + kMountNamespace]);
      break;
    case Role::kZygote:
      user_namespace_ = std::move(fds[0]);
      break;
  }
}

void Sandbox::Park(int64_t now) {
  state_ = State::kParked;
  if (role_ != Role::kZygote) {
    ++tally().built;
    for (size_t i = 0; i < build_time_.size(); ++i) {
      tally().build_time[i] += build_time_[i];
    }
  }
  if (zygote_ != nullptr) {
    HoldProgram();
  }
  if (role_ != Role::kZygote && !starts_program() && context_->cgroups.version() != 0) {
    BeginMeasuring();
  }
  zygote_ = nullptr;
  build_failed_ = false;
  next_tick_ = INT64_MAX;
  if (has_claim_) {
    StartRun(now);
  } else if (role_ != Role::kZygote && context_->cgroups.version() != 0 &&
             tally().last_limits.memory_bytes >= kSpareMemory) {
    SetGroupLimits(tally().last_limits);  // when that fails it is written again by StartRun
  }
}

// Only where this process has capabilities over the program's user namespace, having made it: the
// program cannot take that away (MaySeeEnd). Without a group it is not known who else runs, and
// without its peak of memory the end of the process has to tell it.
void Sandbox::HoldProgram() {
  if (context_->root && context_->cgroups.version() != 0 &&
      context_->cgroups.ReadMemoryPeak(leaf_) >= 0) {
    program_ = linux::OnlyChild(init_);
    if (program_ > 0 && linux::MaySeeEnd(program_)) {
      program_process_.reset(linux::PidfdOpen(program_));
    }
  }
}

// Hands what a zygote needs to it: the link to pid 1, the namespaces, and the groups, whose files
// the fork writes with the right of this process, which has opened them.
bool Sandbox::AskForFork(const base::UniqueFd* fds, int fd_count) {
  errno = ESRCH;
  if (zygote_->state_ != State::kParked || zygote_->generation_ != zygote_generation_) {
    return false;
  }
  ForkRequest request{};
  request.version = wire::kVersion;
  request.rehearse = rehearse_ ? 1 : 0;
  request.namespaces = static_cast<uint32_t>(fd_count - 1);
  int sent[linux::kMaxMessageFds];
  int count = 0;
  for (; count < fd_count; ++count) {
    sent[count] = fds[count].get();
  }
  std::array<base::UniqueFd, linux::CgroupLeaf::kMaxFolders> groups;
  for (size_t i = 0; i < groups.size() && leaf_.folders[i].valid(); ++i) {
    groups[i].reset(
        ::openat(leaf_.folders[i].get(), context_->cgroups.enter_file(), O_WRONLY | O_CLOEXEC));
    if (!groups[i].valid()) {
      return false;
    }
    sent[count++] = groups[i].get();
    ++request.groups;
  }
  ++zygote_->forks_;
  ++tally().forks;
  return linux::SendMessage(zygote_->control_.get(), &request, sizeof(request), sent, count,
                            MSG_DONTWAIT);
}

void Sandbox::Fail(Step step, int error, int64_t now) {
  if (state_ == State::kEnding || state_ == State::kRemoving) {
    return;  // what breaks off while everything is being killed is no fault
  }
  tally().failed += state_ == State::kBuilding ? 1 : 0;
  const bool fork_failed = zygote_ != nullptr && zygote_->state_ == State::kParked &&
                           zygote_->generation_ == zygote_generation_;
  if (fork_failed) {
    fork_failed_by_ = zygote_;
  }
  start_failed_ = starts_program() && (state_ == State::kBuilding || state_ == State::kParked);
  if (fork_failed || start_failed_ || role_ == Role::kZygote) {
    std::fprintf(stderr,
                 "{\"level\":\"error\",\"msg\":\"a warm program is started anew; jobs start cold "
                 "until it serves\",\"source\":\"%s\",\"step\":\"%s\",\"error\":\"%s\"}\n",
                 context_->setup.warm_sources[kind_].data(), wire::StepName(step),
                 error == 0 ? "" : strerrorname_np(error));
  }
  if ((reply_.flags & wire::kEndedInternal) == 0) {
    reply_.flags |= wire::kEndedInternal;
    reply_.step = static_cast<uint32_t>(step);
    reply_.error = error;
  }
  KillAll(now);
}

void Sandbox::End(uint32_t flag, int64_t now) {
  if (state_ == State::kBuilding || state_ == State::kRunning) {
    reply_.flags |= flag;
    KillAll(now);
  } else if (state_ == State::kEnding && !has_reply_) {
    reply_.flags |= flag;
  }
}

// Pid 1 passes it on: whom it reaches is in its namespace, whatever numbers are used outside.
void Sandbox::Signal(int signal) {
  if (state_ == State::kRunning && claim_.run.input != wire::Input::kFile) {
    const ControlSignal message{ControlType::kSignal, signal};
    linux::SendMessage(control_.get(), &message, sizeof(message), nullptr, 0, MSG_DONTWAIT);
  }
}

wire::Reply Sandbox::Usage(int64_t now) {
  usage_due_ = false;
  linux::CgroupNow group;
  if (context_->cgroups.version() != 0) {
    group = context_->cgroups.ReadNow(leaf_);
  }
  wire::Reply usage{};
  usage.version = wire::kVersion;
  usage.flags = wire::kStillRuns;
  usage.id = claim_.id;
  usage.started_at = reply_.started_at;
  usage.wall_time = now - reply_.started_at;
  usage.cpu_time = group.cpu_nanos < 0 ? -1 : std::max<int64_t>(0, group.cpu_nanos - cpu_before_);
  usage.memory_bytes = group.memory_bytes;
  usage.memory_peak_bytes = group.memory_peak_bytes;
  usage.processes = group.tasks < 0 ? -1 : std::max<int64_t>(0, group.tasks - kInitTasks);
  usage.processes_peak = -1;
  return usage;
}

void Sandbox::OnTick(int64_t now) {
  if (now < next_tick_) {
    return;
  }
  switch (state_) {
    case State::kBuilding:
      Fail(Step::kDeadline, ETIMEDOUT, now);
      break;
    case State::kRunning:
      if (now >= deadline_) {
        if (reply_.started_at == 0) {
          return Fail(Step::kDeadline, ETIMEDOUT, now);
        }
        return End(wire::kEndedWall, now);
      }
      if (context_->cgroups.version() != 0) {
        if (context_->cgroups.ReadOomKills(leaf_) > 0) {
          return End(wire::kEndedMemory, now);
        }
        const int64_t limit = claim_.run.limits.cpu_time;
        if (limit > 0 && context_->cgroups.ReadCpuNanos(leaf_) - cpu_before_ >= limit) {
          return End(wire::kEndedCpu, now);
        }
      }
      if (reply_.started_at != 0 && now >= next_usage_) {
        usage_due_ = true;
        next_usage_ = now + wire::kUsageEvery;
      }
      next_tick_ = std::min(deadline_, now + kPollInterval);
      break;
    case State::kEnding:
      if (kill_due_) {
        return Kill(now);
      }
      KillProcesses();
      Quarantine(Step::kKillAll);
      next_tick_ = now + kKillDeadline;
      break;
    case State::kRemoving:
      Remove(now);
      break;
    case State::kFree:
      RemoveGroup();  // it was kept, and there was no use for it
      next_tick_ = INT64_MAX;
      break;
    case State::kParked:
      next_tick_ = INT64_MAX;
      break;
  }
}

}  // namespace sandbox::launcher
