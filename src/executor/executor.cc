#include "executor/executor.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "executor/metrics.h"
#include "executor/output_feed.h"
#include "executor/run.h"
#include "executor/session.h"
#include "job/metadata.h"

namespace executor {
namespace {

using boost::asio::steady_timer;

// OnQueued is the fast path; this catches what it cannot tell, such as leases that expire
// elsewhere.
constexpr std::chrono::seconds kPollEvery(1);

constexpr int kFinishTries = 10;
constexpr base::Nanos kFinishFirstPause = 100 * base::kMillisecond;
constexpr base::Nanos kFinishMaxPause = 5 * base::kSecond;

// What killed jobs have, past the deadline of Stop, to die and to be given back.
constexpr base::Nanos kReleaseGrace = 2 * base::kSecond;

std::chrono::nanoseconds ToChrono(base::Nanos nanos) {
  return std::chrono::nanoseconds(nanos);
}

std::shared_ptr<const job::Job> Ended(job::Job job, job::Outcome outcome) {
  job.status = outcome.status;
  job.finished_at = outcome.finished_at;
  job.result = std::move(outcome.result);
  job.error = std::move(outcome.error);
  return std::make_shared<const job::Job>(std::move(job));
}

}  // namespace

// Owned by Executor; the callbacks of loop, store and backend hold it weakly.
class Executor::Impl : public SpareSlots, public std::enable_shared_from_this<Executor::Impl> {
 public:
  Impl(boost::asio::io_context& loop, Options options, job::Store& store, sandbox::Backend& backend,
       const language::Registry& languages, CompileCache* compile_cache)
      : loop_(loop),
        options_(std::move(options)),
        store_(store),
        backend_(backend),
        languages_(languages),
        compile_cache_(compile_cache),
        poll_timer_(loop),
        stop_timer_(loop) {}

  void OnEnd(std::function<void(std::shared_ptr<const job::Job>)> listener) {
    on_end_ = std::move(listener);
  }

  void Start() {
    store_.OnQueued([weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->queue_empty_ = false;
        self->Wake();
      }
    });
    store_.OnCancel([weak = weak_from_this()](const std::string& id) {
      if (const auto self = weak.lock()) {
        self->CancelJob(id);
      }
    });
    ArmPollTimer();
    Wake();
  }

  void Stop(base::Nanos deadline, std::function<void()> drained) {
    if (stopping_) {
      return;
    }
    stopping_ = true;
    drained_ = std::move(drained);
    poll_timer_.cancel();
    After(stop_timer_, deadline, [](Impl& self) { self.Kill(); });
    // Posted, so that `drained` is never called from within Stop.
    boost::asio::post(loop_, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->CheckDrained();
      }
    });
  }

  // Before destruction: nothing of ours runs on, and no callback comes.
  void Abandon() {
    stopping_ = true;
    drained_ = nullptr;
    poll_timer_.cancel();
    stop_timer_.cancel();
    for (auto& [number, slot] : slots_) {
      slot->timer.cancel();
      if (slot->run) {  // none when the lease arrived after Stop
        slot->run->Abandon();
      }
    }
    slots_.clear();
  }

  int running() const { return static_cast<int>(slots_.size()); }

  void Begin(job::Job job, job::Store::Callback<std::shared_ptr<job::Session>> done) {
    std::optional<base::Error> refusal;
    if (stopping_) {
      refusal = base::Error{base::ErrorKind::kUnavailable, "the worker stops", 0};
    } else if (sessions_ >= options_.sessions) {
      refusal = base::Error{base::ErrorKind::kExhausted,
                            "as many interactive sessions are open as may be", 0};
    }
    if (refusal) {
      boost::asio::post(loop_, [done = std::move(done), refusal = *refusal] { done(refusal); });
      return;
    }
    ++sessions_;
    ++beginning_;
    store_.Begin(options_.worker, std::move(job),
                 [weak = weak_from_this(), done = std::move(done)](base::Result<job::Lease> lease) {
                   if (const auto self = weak.lock()) {
                     self->OnBegun(std::move(lease), done);
                   }
                 });
  }

  // Jobs that wait go before tests of those that run.
  bool Take() override {
    if (stopping_ || leasing_ || !queue_empty_ || free_slots() <= 0) {
      return false;
    }
    ++lent_;
    return true;
  }

  void Return() override {
    --lent_;
    Wake();
  }

 private:
  enum class Phase { kRunning, kLost, kReleasing, kFinishing };

  struct Slot {
    explicit Slot(boost::asio::io_context& loop) : timer(loop), finish_timer(loop) {}

    job::Lease lease;
    Phase phase = Phase::kRunning;
    std::shared_ptr<Run> run;          // null when it is given back at once
    std::unique_ptr<OutputFeed> feed;  // null likewise
    bool session = false;              // it is interactive, and in no slot of options_.slots
    bool cancelled = false;            // at a client's wish
    steady_timer timer;                // the next renewal
    steady_timer finish_timer;         // the next try to store the outcome
    job::Outcome outcome;
    int finish_tries = 0;
  };

  using SlotMap = std::map<uint64_t, std::shared_ptr<Slot>>;

  // Calls `then(*this)` after `pause` unless the timer is cancelled or set again.
  template <typename Then>
  void After(steady_timer& timer, base::Nanos pause, Then then) {
    timer.expires_after(ToChrono(pause));
    timer.async_wait([weak = weak_from_this(), then](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!error && self) {
        then(*self);
      }
    });
  }

  void ArmPollTimer() {
    After(poll_timer_, std::chrono::nanoseconds(kPollEvery).count(), [](Impl& self) {
      self.poll_due_ = true;
      self.Poll();
      self.ArmPollTimer();
    });
  }

  // Polls from the loop, not from within whatever store call has told us.
  void Wake() {
    if (std::exchange(woken_, true)) {
      return;
    }
    boost::asio::post(loop_, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->woken_ = false;
        self->Poll();
      }
    });
  }

  int free_slots() const { return options_.slots - (running() - (sessions_ - beginning_)) - lent_; }

  void Poll() {
    const int free = free_slots();
    if (stopping_ || free <= 0) {
      return;
    }
    if (leasing_) {
      poll_again_ = true;  // the answer under way may have been formed before the news
      return;
    }
    if (queue_empty_ && !poll_due_) {
      return OfferSpareSlots();
    }
    poll_due_ = false;
    leasing_ = true;
    queue_empty_ = true;  // unless news come until the answer
    store_.LeaseJobs(options_.worker, free,
                     [weak = weak_from_this(), free](base::Result<std::vector<job::Lease>> leases) {
                       if (const auto self = weak.lock()) {
                         self->OnLeased(std::move(leases), static_cast<size_t>(free));
                       }
                     });
  }

  void OfferSpareSlots() {
    const SlotMap slots = slots_;
    for (const auto& [number, slot] : slots) {
      if (slot->run && free_slots() > 0) {
        slot->run->OnSpareSlot();
      }
    }
  }

  void OnLeased(base::Result<std::vector<job::Lease>> leases, size_t asked) {
    leasing_ = false;
    queue_empty_ = queue_empty_ && leases && leases->size() < asked;
    if (!leases) {
      // Once, not at each poll; and not when the store is just being opened.
      if (++lease_failures_ == 2) {
        base::Log(base::LogLevel::kWarning, "cannot lease jobs",
                  {{"error", leases.error().message}});
      }
    } else {
      lease_failures_ = 0;
      for (job::Lease& lease : *leases) {
        StartJob(std::move(lease), false);
      }
    }
    if (std::exchange(poll_again_, false)) {
      Wake();
    }
    OfferSpareSlots();
    CheckDrained();
  }

  void OnBegun(base::Result<job::Lease> lease,
               const job::Store::Callback<std::shared_ptr<job::Session>>& done) {
    --beginning_;
    if (!lease) {
      --sessions_;
      done(lease.error());
      CheckDrained();
      return;
    }
    const uint64_t number = StartJob(std::move(*lease), true);
    const auto cancel = [weak = weak_from_this(), number] {
      if (const auto self = weak.lock()) {
        self->CancelSlot(number);
      }
    };
    done(std::shared_ptr<job::Session>(std::make_shared<Session>(Find(number)->run, cancel)));
  }

  uint64_t StartJob(job::Lease lease, bool session) {
    const uint64_t number = ++last_number_;
    const auto slot = std::make_shared<Slot>(loop_);
    slot->session = session;
    slot->lease.token = lease.token;
    slot->lease.job = job::Metadata(lease.job);
    slots_.emplace(number, slot);
    if (stopping_ && !session) {
      ReleaseJob(number);
      return number;
    }
    slot->feed = std::make_unique<OutputFeed>(loop_, lease.token,
                                              [this, id = lease.job.id](job::OutputChunk chunk) {
                                                store_.Publish(id, std::move(chunk));
                                              });
    const language::Language* language = languages_.Find(lease.job.submission.language);
    const Run::Shared shared{loop_,          options_, backend_, languages_,
                             compile_cache_, this,     checkers_};
    slot->run = std::make_shared<Run>(
        shared, language, std::move(lease.job), ListenerOf(slot),
        [weak = weak_from_this(), number](std::optional<job::Outcome> outcome) {
          if (const auto self = weak.lock()) {
            self->OnRunDone(number, std::move(outcome));
          }
        });
    slot->run->Start();
    ArmRenewal(number);
    return number;
  }

  Run::Listener ListenerOf(const std::weak_ptr<Slot>& slot) {
    const auto on_output = [slot](sandbox::Stream stream, std::string_view data) {
      if (const auto held = slot.lock(); held && held->phase == Phase::kRunning) {
        held->feed->Write(stream, data);
      }
    };
    const auto on_usage = [this, slot](const sandbox::LiveUsage& usage) {
      if (const auto held = slot.lock(); held && held->phase == Phase::kRunning) {
        store_.PublishUsage(held->lease.job.id, held->lease.token, usage);
      }
    };
    return {on_output, on_usage};
  }

  std::shared_ptr<Slot> Find(uint64_t number) const {
    const auto it = slots_.find(number);
    return it == slots_.end() ? nullptr : it->second;
  }

  void ArmRenewal(uint64_t number) {
    if (const auto slot = Find(number)) {
      After(slot->timer, options_.lease_time / 3, [number](Impl& self) { self.Renew(number); });
    }
  }

  void Renew(uint64_t number) {
    const auto slot = Find(number);
    if (!slot) {
      return;
    }
    store_.Renew(slot->lease.job.id, slot->lease.token,
                 [weak = weak_from_this(), number](base::Result<void> renewed) {
                   if (const auto self = weak.lock()) {
                     self->OnRenewed(number, renewed);
                   }
                 });
  }

  void OnRenewed(uint64_t number, const base::Result<void>& renewed) {
    const auto slot = Find(number);
    if (!slot) {
      return;
    }
    if (!renewed) {
      base::Log(base::LogLevel::kWarning, "cannot renew a lease",
                {{"job", slot->lease.job.id}, {"error", renewed.error().message}});
    }
    const bool gone = !renewed && (renewed.error().kind == base::ErrorKind::kConflict ||
                                   renewed.error().kind == base::ErrorKind::kNotFound);
    // In any other phase the answer to Finish or Release is on its way and decides.
    if (gone && slot->phase == Phase::kRunning) {
      slot->phase = Phase::kLost;
      slot->run->Cancel();
      return;
    }
    if (slot->phase == Phase::kRunning || slot->phase == Phase::kFinishing) {
      ArmRenewal(number);
    }
  }

  void CancelJob(const std::string& id) {
    for (const auto& [number, slot] : slots_) {
      if (slot->lease.job.id == id) {
        CancelSlot(number);
      }
    }
  }

  void CancelSlot(uint64_t number) {
    const auto slot = Find(number);
    if (slot && slot->phase == Phase::kRunning) {
      slot->cancelled = true;
      slot->run->Cancel();  // OnRunDone follows
    }
  }

  void OnRunDone(uint64_t number, std::optional<job::Outcome> outcome) {
    const auto slot = Find(number);
    if (!slot) {
      return;
    }
    switch (slot->phase) {
      case Phase::kLost:
        Drop(number);
        return;
      case Phase::kReleasing:
        ReleaseJob(number);
        return;
      case Phase::kRunning:
      case Phase::kFinishing:
        break;
    }
    if (!outcome && !slot->cancelled && !slot->session) {
      ReleaseJob(number);
      return;
    }
    if (!outcome) {
      outcome.emplace();
      outcome->status = slot->cancelled ? job::Status::kCancelled : job::Status::kFailed;
      outcome->error = slot->cancelled ? "" : "The service was stopped.";
    }
    slot->feed->Flush();  // before the outcome: those who watch hear it all, then the end
    slot->phase = Phase::kFinishing;
    slot->outcome = *std::move(outcome);
    slot->outcome.finished_at = base::WallNow();
    Finish(number);
  }

  void Finish(uint64_t number) {
    const auto slot = Find(number);
    if (!slot) {
      return;
    }
    ++slot->finish_tries;
    store_.Finish(slot->lease.job.id, slot->lease.token, slot->outcome,
                  [weak = weak_from_this(), number](base::Result<void> finished) {
                    if (const auto self = weak.lock()) {
                      self->OnFinished(number, finished);
                    }
                  });
  }

  void OnFinished(uint64_t number, const base::Result<void>& finished) {
    const auto slot = Find(number);
    if (!slot) {
      return;
    }
    if (finished) {
      CountFinished(slot->lease.job.submission.language, slot->outcome);
      Drop(number);
      if (on_end_) {
        on_end_(Ended(std::move(slot->lease.job), std::move(slot->outcome)));
      }
      return;
    }
    const base::Error& error = finished.error();
    const base::Nanos pause =
        std::min(kFinishMaxPause, kFinishFirstPause << std::min(slot->finish_tries - 1, 10));
    // A store that is away comes back. Then the token decides, not the time that has passed: the
    // outcome counts unless another worker has got the job.
    const bool away = error.kind == base::ErrorKind::kUnavailable;
    const bool hopeless = error.kind == base::ErrorKind::kConflict ||
                          error.kind == base::ErrorKind::kNotFound || killed_ ||
                          (!away && slot->finish_tries >= kFinishTries);
    base::Log(hopeless ? base::LogLevel::kError : base::LogLevel::kWarning,
              hopeless ? "an outcome is lost, the job runs again or is someone else's"
                       : "cannot store an outcome, trying again",
              {{"job", slot->lease.job.id},
               {"error", error.message},
               {"try", std::to_string(slot->finish_tries)}});
    if (hopeless) {
      Drop(number);
      return;
    }
    After(slot->finish_timer, pause, [number](Impl& self) { self.Finish(number); });
  }

  void ReleaseJob(uint64_t number) {
    const auto slot = Find(number);
    slot->phase = Phase::kReleasing;
    slot->timer.cancel();
    store_.Release(slot->lease.job.id, slot->lease.token,
                   [weak = weak_from_this(), number](base::Result<void> released) {
                     const auto self = weak.lock();
                     if (!self) {
                       return;
                     }
                     if (!released) {
                       base::Log(base::LogLevel::kWarning, "cannot release a job",
                                 {{"error", released.error().message}});
                     }
                     self->Drop(number);
                   });
  }

  void Drop(uint64_t number) {
    const auto slot = Find(number);
    sessions_ -= slot && slot->session ? 1 : 0;
    slots_.erase(number);
    Wake();
    CheckDrained();
  }

  // The deadline of Stop has passed.
  void Kill() {
    killed_ = true;
    const SlotMap slots = slots_;
    for (const auto& [number, slot] : slots) {
      if (slot->phase == Phase::kRunning) {
        // A session is over: nobody could go on with it.
        slot->phase = slot->session ? Phase::kRunning : Phase::kReleasing;
        slot->run->Cancel();
      } else if (slot->phase == Phase::kFinishing && slot->finish_timer.cancel() > 0) {
        Drop(number);
      }
    }
    After(stop_timer_, kReleaseGrace, [](Impl& self) {
      base::Log(base::LogLevel::kError, "jobs are left behind; their leases will expire",
                {{"jobs", std::to_string(self.running())}});
      self.CallDrained();
    });
  }

  void CheckDrained() {
    if (stopping_ && !leasing_ && beginning_ == 0 && slots_.empty()) {
      CallDrained();
    }
  }

  void CallDrained() {
    stop_timer_.cancel();
    if (const auto drained = std::exchange(drained_, nullptr)) {
      drained();
    }
  }

  boost::asio::io_context& loop_;
  const Options options_;
  job::Store& store_;
  sandbox::Backend& backend_;
  const language::Registry& languages_;
  CompileCache* const compile_cache_;
  steady_timer poll_timer_;
  steady_timer stop_timer_;
  // For comparisons of long outputs: one at a time is enough, and bounds their memory.
  boost::asio::thread_pool checkers_{1};
  bool woken_ = false;
  bool leasing_ = false;
  bool queue_empty_ = false;  // as far as we have heard
  bool poll_due_ = true;      // whatever we have heard
  int lent_ = 0;              // slots that tests of running jobs use
  int sessions_ = 0;          // interactive jobs, with those that the store is about to begin
  int beginning_ = 0;         // these
  int lease_failures_ = 0;    // in a row
  bool poll_again_ = false;
  bool stopping_ = false;
  bool killed_ = false;
  std::function<void()> drained_;
  std::function<void(std::shared_ptr<const job::Job>)> on_end_;
  uint64_t last_number_ =
      0;  // jobs are numbered: an id may come back while its first run still ends
  SlotMap slots_;
};

Executor::Executor(boost::asio::io_context& loop, Options options, job::Store& store,
                   sandbox::Backend& backend, const language::Registry& languages,
                   CompileCache* compile_cache)
    : impl_(std::make_shared<Impl>(loop, std::move(options), store, backend, languages,
                                   compile_cache)) {}

// NOLINTNEXTLINE(bugprone-exception-escape): cancelling timers throws for bad descriptors only
Executor::~Executor() {
  impl_->Abandon();
}

void Executor::OnEnd(std::function<void(std::shared_ptr<const job::Job>)> listener) {
  impl_->OnEnd(std::move(listener));
}

void Executor::Start() {
  impl_->Start();
}

void Executor::Stop(base::Nanos deadline, std::function<void()> drained) {
  impl_->Stop(deadline, std::move(drained));
}

void Executor::Begin(job::Job job, job::Store::Callback<std::shared_ptr<job::Session>> done) {
  impl_->Begin(std::move(job), std::move(done));
}

int Executor::running() const {
  return impl_->running();
}

}  // namespace executor
