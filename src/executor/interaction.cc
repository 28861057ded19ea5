#include "executor/interaction.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <utility>

namespace executor {
namespace {

using Decider = InteractionResult::Decider;
using sandbox::Cause;

// Whoever has computed for one part of this many of the time has been busy: who waits computes not
// at all, and who computes may have to share a processor with many.
constexpr int kBusyPart = 50;

bool EndedWell(const sandbox::RunResult& run) {
  return run.cause == Cause::kExited && run.exit_code == 0;
}

}  // namespace

struct Interaction::Timer {
  explicit Timer(boost::asio::io_context& loop) : timer(loop) {}

  boost::asio::steady_timer timer;
};

Interaction::Interaction(boost::asio::io_context& loop, sandbox::Backend& backend,
                         base::Nanos idle_time, OnUsage on_usage, Done done)
    : backend_(backend),
      idle_time_(idle_time),
      on_usage_(std::move(on_usage)),
      done_(std::move(done)),
      timer_(std::make_unique<Timer>(loop)) {}

Interaction::~Interaction() = default;

void Interaction::Start(sandbox::Spec program, sandbox::Spec interactor) {
  active_at_ = base::MonotonicNow();
  StartOne(kInteractor, std::move(interactor));
  StartOne(kProgram, std::move(program));
  WatchSilence(idle_time_ > 0 ? idle_time_ : kIdleTime);
}

void Interaction::StartOne(Side side, sandbox::Spec spec) {
  parties_[side].id = backend_.Start(
      std::move(spec),
      [self = shared_from_this(), side](sandbox::Stream stream, std::string_view data) {
        self->Hear(side, stream, data);
      },
      [self = shared_from_this(), side](sandbox::RunResult result) {
        self->OnEnded(side, std::move(result));
      });
  backend_.WatchUsage(parties_[side].id,
                      [self = shared_from_this(), side](const sandbox::LiveUsage& usage) {
                        self->Measure(side, usage);
                        self->on_usage_(self->parties_[side].id, usage);
                      });
}

void Interaction::Cancel() {
  Kill(kProgram);
  Kill(kInteractor);
}

void Interaction::Hear(Side from, sandbox::Stream stream, std::string_view data) {
  active_at_ = base::MonotonicNow();
  const Side to = from == kProgram ? kInteractor : kProgram;
  if (stream == sandbox::Stream::kStdout && !parties_[to].ended) {
    parties_[to].unread += data;
    Feed(to);
  }
}

// One piece at a time, so that many small words that nobody takes are no many pieces.
void Interaction::Feed(Side to) {
  Party& party = parties_[to];
  if (party.writing || party.unread.empty()) {
    return;
  }
  party.writing = true;
  backend_.live_input().Write(party.id, std::exchange(party.unread, {}),
                              [self = shared_from_this(), to] {
                                self->parties_[to].writing = false;
                                self->active_at_ = base::MonotonicNow();
                                self->Feed(to);
                              });
}

void Interaction::EndInput(Side to) {
  Party& party = parties_[to];
  if (!party.unread.empty()) {
    backend_.live_input().Write(party.id, std::exchange(party.unread, {}), [] {});
  }
  backend_.live_input().CloseInput(party.id);
}

void Interaction::OnEnded(Side side, sandbox::RunResult result) {
  Party& party = parties_[side];
  party.ended = true;
  party.result = std::move(result);
  party.unread.clear();
  const bool first = !parties_[kProgram].ended || !parties_[kInteractor].ended;
  if (first) {
    silence_ = base::MonotonicNow() - active_at_;
    timer_->timer.cancel();
  }
  const Cause cause = party.result.cause;
  if (!party.killed && (cause == Cause::kInternal || cause == Cause::kCancelled)) {
    failure_ = cause == Cause::kInternal ? party.result.message : "it was cancelled by the backend";
    Cancel();
  } else if (!decider_ && failure_.empty()) {
    side == kProgram ? ProgramEnded() : InteractorEnded();
  }
  if (!first) {
    Finish();
  }
}

void Interaction::ProgramEnded() {
  const sandbox::RunResult& program = parties_[kProgram].result;
  if (parties_[kInteractor].ended) {
    Decide(EndedWell(program) ? Decider::kInteractor : Decider::kProgram);
  } else if (EndedWell(program)) {
    EndInput(kInteractor);
  } else if (program.cause == Cause::kExited || program.cause == Cause::kSignalled) {
    AllowComplaint();
  } else {
    Decide(Decider::kProgram);
  }
}

void Interaction::InteractorEnded() {
  if (!EndedWell(parties_[kInteractor].result)) {
    Decide(Decider::kInteractor);
  } else if (!parties_[kProgram].ended) {
    EndInput(kProgram);
  } else {
    Decide(EndedWell(parties_[kProgram].result) ? Decider::kInteractor : Decider::kProgram);
  }
}

void Interaction::Decide(Decider decider) {
  decider_ = decider;
  Cancel();
}

void Interaction::Kill(Side side) {
  Party& party = parties_[side];
  if (!party.ended && !std::exchange(party.killed, true)) {
    backend_.Cancel(party.id);
  }
}

// Who has computed was not idle, nor was who did not run yet.
void Interaction::Measure(Side side, const sandbox::LiveUsage& usage) {
  if (!std::exchange(parties_[side].runs, true)) {
    active_at_ = std::max(active_at_, base::MonotonicNow() - usage.wall_time);
  }
  if (!usage.cpu_time) {
    return;
  }
  const sandbox::LiveUsage last =
      std::exchange(parties_[side].usage, usage).value_or(sandbox::LiveUsage{0, 0, {}, {}, {}});
  if ((*usage.cpu_time - *last.cpu_time) * kBusyPart >= usage.wall_time - last.wall_time) {
    active_at_ = base::MonotonicNow();
  }
}

void Interaction::WatchSilence(base::Nanos left) {
  timer_->timer.expires_after(std::chrono::nanoseconds(left));
  timer_->timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error && !self->parties_[kProgram].ended && !self->parties_[kInteractor].ended) {
      self->OnSilence();
    }
  });
}

void Interaction::OnSilence() {
  const bool run = parties_[kProgram].runs && parties_[kInteractor].runs;
  const bool measured = parties_[kProgram].usage && parties_[kInteractor].usage;
  const base::Nanos idle_time = idle_time_ > 0 ? idle_time_ : kIdleTime;
  const base::Nanos silence = base::MonotonicNow() - active_at_;
  if (silence < idle_time) {
    WatchSilence(idle_time - silence);
  } else if (run && (idle_time_ > 0 || measured)) {
    Decide(Decider::kSilence);
  } else {
    WatchSilence(idle_time);  // until they run and are measured, or their limits decide
  }
}

void Interaction::AllowComplaint() {
  timer_->timer.expires_after(std::chrono::nanoseconds(kGrace));
  timer_->timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error && !self->decider_) {
      self->Decide(Decider::kProgram);
    }
  });
}

void Interaction::Finish() {
  timer_->timer.cancel();
  InteractionResult result;
  result.decider = decider_.value_or(Decider::kInteractor);
  result.program = std::move(parties_[kProgram].result);
  result.interactor = std::move(parties_[kInteractor].result);
  result.silence = silence_;
  result.failure = std::move(failure_);
  if (const Done done = std::exchange(done_, nullptr)) {
    done(std::move(result));
  }
}

}  // namespace executor
