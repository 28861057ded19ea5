#include "docker/supervisor/watch.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "linux/syscall.h"
#include "sandbox/wire.h"

namespace docker::supervisor {
namespace {

using sandbox::wire::Step;
namespace end = sandbox::wire;

constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kSecond = 1'000 * kMillisecond;
constexpr int64_t kMeasureEvery = 5 * kMillisecond;
// A live program that waits; there may be many of them.
constexpr int64_t kMeasureIdle = 50 * kMillisecond;
constexpr int64_t kKillTime = 10 * kSecond;

int64_t ChildrenCpu() {
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  const auto nanos = [](const timeval& t) {
    return int64_t{t.tv_sec} * kSecond + int64_t{t.tv_usec} * 1000;
  };
  return nanos(usage.ru_utime) + nanos(usage.ru_stime);
}

int64_t ChildrenPeak() {
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

bool MakePipe(base::UniqueFd* read_end, base::UniqueFd* write_end) {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) {
    return false;
  }
  read_end->reset(fds[0]);
  write_end->reset(fds[1]);
  return ::fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0;
}

}  // namespace

bool Watch::Run(Launch* launch, wire::Done* done) {
  if (Start(launch)) {
    while (!ended_) {
      Turn();
    }
    Finish();
  }
  *done = done_;
  return !abandoned_;
}

// Its streams can also be opened by name (/dev/stdin), whatever user it has.
bool Watch::ConnectPipes(Launch* launch, base::UniqueFd* in, base::UniqueFd* out,
                         base::UniqueFd* err) {
  if (!MakePipe(&streams_[0].fd, out) || !MakePipe(&streams_[1].fd, err) ||
      ::fchmod(out->get(), 0622) != 0 || ::fchmod(err->get(), 0622) != 0) {
    return false;
  }
  launch->stdin_fd = job_.stdin_fd.get();
  if ((job_.header.flags & wire::kLive) != 0) {
    base::UniqueFd feed;
    if (!MakePipe(in, &feed) || ::fchmod(in->get(), 0444) != 0 ||
        ::fcntl(in->get(), F_SETFL, 0) != 0 || ::fcntl(feed.get(), F_SETFL, O_NONBLOCK) != 0) {
      return false;
    }
    feeder_.Open(std::move(feed));
    launch->stdin_fd = in->get();
  }
  launch->stdout_fd = out->get();
  launch->stderr_fd = err->get();
  return true;
}

// The slave stays open here, so that the master does not end before the last process: a program may
// close its terminal and open it again.
bool Watch::ConnectTerminal(Launch* launch) {
  // Else jobs of the same user in the same container could open it.
  if (!family_.own_uid && !family_.alone && launch->landlock_abi == 0) {
    errno = EPERM;
    return false;
  }
  const int64_t owner = family_.own_uid ? int64_t{family_.uid} : -1;
  if (!MakeTerminal(job_.header.rows, job_.header.cols, owner, &terminal_)) {
    return false;
  }
  base::UniqueFd feed(::fcntl(terminal_.master.get(), F_DUPFD_CLOEXEC, 3));
  if (!feed.valid()) {
    return false;
  }
  feeder_.Open(std::move(feed));
  streams_[0].fd = std::move(terminal_.master);
  launch->terminal = true;
  launch->devices = {"/dev/tty", terminal_.path};
  launch->stdin_fd = launch->stdout_fd = launch->stderr_fd = terminal_.slave.get();
  return true;
}

bool Watch::Start(Launch* launch) {
  base::UniqueFd in;
  base::UniqueFd out;
  base::UniqueFd err;
  base::UniqueFd start;
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);  // NOLINT(concurrency-mt-unsafe): one thread
  signals_.reset(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  const bool terminal = (job_.header.flags & wire::kTerminal) != 0;
  if (!signals_.valid() || !MakePipe(&start_, &start) ||
      !(terminal ? ConnectTerminal(launch) : ConnectPipes(launch, &in, &out, &err))) {
    Fail(terminal ? Step::kTerminal : Step::kStdio, errno);
    return false;
  }
  streams_[0].type = wire::FrameType::kStdout;
  streams_[0].truncated = wire::kStdoutTruncated;
  streams_[1].type = wire::FrameType::kStderr;
  streams_[1].truncated = wire::kStderrTruncated;
  launch->error_fd = start.get();
  children_before_ = ChildrenCpu();
  started_at_ = Now();
  main_ = ::fork();
  if (main_ == 0) {
    LaunchProgram(*launch);
  }
  if (main_ < 0) {
    Fail(Step::kJobFork, errno);
    return false;
  }
  return true;
}

void Watch::Turn() {
  const int64_t deadline = std::min(next_measure_, started_at_ + job_.header.wall_time);
  const int64_t wait = std::max<int64_t>(0, deadline - Now());
  const bool room = !output_->full();
  std::array<pollfd, 7> polled = {{
      {STDIN_FILENO, POLLIN, 0},
      {signals_.get(), POLLIN, 0},
      {start_.get(), POLLIN, 0},
      {room ? streams_[0].fd.get() : -1, POLLIN, 0},
      {room ? streams_[1].fd.get() : -1, POLLIN, 0},
      {output_->empty() ? -1 : STDOUT_FILENO, POLLOUT, 0},
      {feeder_.waiting(), POLLOUT, 0},
  }};
  const timespec timeout{wait / kSecond, wait % kSecond};
  if (::ppoll(polled.data(), polled.size(), &timeout, nullptr) < 0 && errno != EINTR) {
    Fail(Step::kDeadline, errno);
    return;
  }
  if (polled[2].revents != 0) {
    ReadStart();
  }
  if (polled[3].revents != 0) {
    ReadStream(&streams_[0]);
  }
  if (polled[4].revents != 0) {
    ReadStream(&streams_[1]);
  }
  if (polled[0].revents != 0) {
    ReadControl();
  }
  if (polled[0].revents != 0 || polled[6].revents != 0) {
    Stir();
    feeder_.Flush(output_);
  }
  if (!output_->Flush()) {
    abandoned_ = true;
    End(end::kEndedCancel);
  }
  if (polled[1].revents != 0) {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof(info)) > 0) {
    }
    CheckMain();
  }
  CheckLimits();
}

// Nothing but the end of file: the program runs. Else the step that failed.
void Watch::ReadStart() {
  StepError error{};
  const ssize_t n = ::read(start_.get(), &error, sizeof(error));
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  start_.reset();
  if (n == 0) {
    started_at_ = Now();
    next_usage_ = started_at_ + end::kUsageAfter;
    output_->Put(wire::FrameType::kStarted, nullptr, 0);
    return;
  }
  Fail(n == sizeof(error) ? error.step : Step::kExec, n == sizeof(error) ? error.error : EPROTO);
}

void Watch::ReadControl() {
  std::array<char, 65536> buffer;
  const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  if (n <= 0) {
    abandoned_ = true;
    return End(end::kEndedCancel);
  }
  controls_.append(buffer.data(), static_cast<size_t>(n));
  size_t at = 0;
  for (size_t taken = 1; taken > 0 && !ended_; at += taken) {
    taken = TakeControl(std::string_view(controls_).substr(at));
  }
  controls_.erase(0, at);
}

// Returns how many bytes of `data` it was; 0 when more have to come.
size_t Watch::TakeControl(std::string_view data) {
  if (input_left_ > 0) {
    data = data.substr(0, input_left_);
    if (!feeder_.Put(data)) {
      Fail(Step::kRequest, EPROTO);
    }
    input_left_ -= static_cast<uint32_t>(data.size());
    return data.size();
  }
  wire::Control control{};
  if (data.size() < sizeof(control)) {
    return 0;
  }
  std::memcpy(&control, data.data(), sizeof(control));
  Obey(control);
  return sizeof(control);
}

void Watch::Obey(const wire::Control& control) {
  const auto type = static_cast<wire::ControlType>(control.type);
  const bool terminal = terminal_.slave.valid();
  if (type == wire::ControlType::kCancel) {
    return End(end::kEndedCancel);
  }
  if ((job_.header.flags & wire::kLive) == 0) {
    return Fail(Step::kRequest, EPROTO);
  }
  switch (type) {
    case wire::ControlType::kInput:
      input_left_ = control.detail;
      return;
    case wire::ControlType::kInputEnd:
      return terminal ? void() : feeder_.End();
    case wire::ControlType::kSignal:
      return Signal(static_cast<int>(control.detail));
    case wire::ControlType::kResize:
      return terminal
                 ? ResizeTerminal(streams_[0].fd.get(), static_cast<uint16_t>(control.detail >> 16),
                                  static_cast<uint16_t>(control.detail))
                 : void();
    case wire::ControlType::kCancel:
      break;
  }
  Fail(Step::kRequest, EPROTO);
}

// To the program's process group, once it is more than our copy. Nothing but processes of the job
// is in there, and with another effective user than ours they cannot signal us back.
void Watch::Signal(int signal) {
  if (start_.valid()) {
    return;
  }
  const uid_t own = ::geteuid();
  if (family_.own_uid && ::seteuid(family_.uid) != 0) {
    return;
  }
  ::kill(-main_, signal);
  if (family_.own_uid && ::seteuid(own) != 0) {
    Fail(Step::kUser, errno);
  }
}

void Watch::ReadStream(Stream* stream) {
  std::array<char, 32768> buffer;
  const ssize_t n = ::read(stream->fd.get(), buffer.data(), buffer.size());
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  if (n <= 0) {
    stream->fd.reset();
    return;
  }
  const int64_t room = job_.header.output_bytes + wire::kOutputSlack - stream->taken;
  const int64_t take = std::min<int64_t>(room, n);
  Stir();
  output_->Put(stream->type, buffer.data(), static_cast<size_t>(take));
  stream->taken += take;
  if (stream->taken > job_.header.output_bytes) {
    done_.flags |= stream->truncated;
    // Not closed before the program is dead: it shall not see a broken pipe.
    stream->cut = true;
    End(end::kEndedOutput);
  }
}

void Watch::CheckMain() {
  // Orphans of the job die in our care, too.
  siginfo_t info{};
  for (;;) {
    info.si_pid = 0;
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
      return;
    }
    int status = 0;
    if (::waitpid(info.si_pid, &status, WNOHANG) == main_) {
      done_.wait_status = status;
      End(end::kHasStatus);
    }
  }
}

void Watch::CheckLimits() {
  const int64_t now = Now();
  if (now - started_at_ >= job_.header.wall_time) {
    return End(end::kEndedWall);
  }
  if (now < next_measure_ || ended_) {
    return;
  }
  Tally tally = Measure(family_, false);
  if (tally.memory_bytes > job_.header.memory_bytes) {
    // Shared pages were counted for each process that has them: once more, exactly.
    tally.memory_bytes = Measure(family_, true).memory_bytes;
  }
  done_.memory_peak_bytes = std::max(done_.memory_peak_bytes, tally.memory_bytes);
  done_.processes_peak = std::max(done_.processes_peak, tally.tasks);
  const int64_t cpu = tally.cpu_nanos + ChildrenCpu() - children_before_;
  if (tally.memory_bytes > job_.header.memory_bytes) {
    End(end::kEndedMemory);
  } else if (job_.header.cpu_time > 0 && cpu > job_.header.cpu_time) {
    End(end::kEndedCpu);
  } else if (tally.tasks > job_.header.processes) {
    // The kernel's own limit could not be exact, because the user is shared.
    done_.flags |= end::kHitProcessLimit;
    done_.wait_status = SIGKILL;
    End(end::kHasStatus);
  }
  if (tally.tasks >= job_.header.processes) {
    done_.flags |= end::kHitProcessLimit;
  }
  TellUsage(now, tally, cpu);
  if (std::exchange(cpu_, cpu) != cpu) {
    stirred_at_ = now;
  }
  idle_ = (job_.header.flags & wire::kLive) != 0 && now - stirred_at_ > kMeasureIdle;
  // Measuring takes longer the more there is: it gets a tenth of the time at most.
  const int64_t cost = Now() - now;
  next_measure_ = Now() + std::max(idle_ ? kMeasureIdle : kMeasureEvery, 9 * cost);
}

// It may be about to need more than it did.
void Watch::Stir() {
  stirred_at_ = Now();
  if (std::exchange(idle_, false)) {
    next_measure_ = std::min(next_measure_, stirred_at_ + kMeasureEvery);
  }
}

// What nobody takes at the moment is not told: it would be old.
void Watch::TellUsage(int64_t now, const Tally& tally, int64_t cpu) {
  if (ended_ || next_usage_ == 0 || now < next_usage_ || output_->full()) {
    return;
  }
  const wire::Usage usage{now - started_at_, std::max<int64_t>(0, cpu), tally.memory_bytes,
                          done_.memory_peak_bytes, tally.tasks};
  output_->Put(wire::FrameType::kUsage, &usage, sizeof(usage));
  next_usage_ = now + end::kUsageEvery;
}

void Watch::End(uint32_t flag) {
  if (ended_) {
    return;
  }
  done_.flags |= flag;
  ended_ = true;
  done_.wall_time = Now() - started_at_;
}

void Watch::Fail(Step step, int error) {
  done_.step = static_cast<uint32_t>(step);
  done_.error = error;
  End(end::kEndedInternal);
}

void Watch::Finish() {
  int status = 0;
  if (!KillAll(family_, Now() + kKillTime, main_, &status)) {
    done_.flags |= end::kEndedInternal;
    done_.step = static_cast<uint32_t>(Step::kKillAll);
    done_.error = EBUSY;
  }
  // Every writer is dead: what is in the pipes is all there will be.
  for (Stream& stream : streams_) {
    while (stream.fd.valid() && !stream.cut) {
      if (output_->full() && !output_->FlushAll(Now() + kKillTime)) {
        abandoned_ = true;
        break;
      }
      const int64_t before = stream.taken;
      ReadStream(&stream);
      if (stream.taken == before) {
        break;
      }
    }
  }
  // More than the limit, found after the end, is the same verdict.
  if ((done_.flags & (wire::kStdoutTruncated | wire::kStderrTruncated)) != 0) {
    done_.flags |= end::kEndedOutput;
  }
  done_.cpu_time = ChildrenCpu() - children_before_;
  done_.processes_peak = std::max<int64_t>(done_.processes_peak, 1);
  done_.memory_peak_bytes = std::max(done_.memory_peak_bytes, ChildrenPeak());
  // What came and went between two looks.
  if (done_.memory_peak_bytes > job_.header.memory_bytes) {
    done_.flags |= end::kEndedMemory;
  }
  if (job_.header.cpu_time > 0 && done_.cpu_time > job_.header.cpu_time) {
    done_.flags |= end::kEndedCpu;
  }
}

}  // namespace docker::supervisor
