#include "executor/judge.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <set>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "executor/checker.h"
#include "executor/interaction.h"
#include "executor/score.h"
#include "executor/verdict.h"

namespace executor {
namespace {

constexpr int kMaxTries = 3;  // of one test whose sandbox fails
constexpr std::chrono::milliseconds kRetryPause(200);

// Below this a comparison takes less than handing it to another thread.
constexpr size_t kCompareInline = size_t{64} << 10;

// What is kept of each stream of a test: less where what was wanted is known.
constexpr size_t kKeptChecked = size_t{4} << 10;
constexpr size_t kKeptUnchecked = size_t{64} << 10;
constexpr size_t kKeptOfAll = size_t{16} << 20;

constexpr const char* kSkipped = "An earlier test failed.";

}  // namespace

struct Judge::Timers {
  explicit Timers(boost::asio::io_context& loop) : pause(loop), deadline(loop) {}

  boost::asio::steady_timer pause;
  boost::asio::steady_timer deadline;
};

Judge::Judge(boost::asio::io_context& loop, sandbox::Backend& backend, SpareSlots* spare,
             boost::asio::thread_pool& checkers, const job::Submission& submission,
             MakeSpec make_spec, MakeCheck make_check, Done done)
    : loop_(loop),
      backend_(backend),
      spare_(spare),
      checkers_(checkers),
      submission_(submission),
      make_spec_(std::move(make_spec)),
      make_check_(std::move(make_check)),
      done_(std::move(done)),
      results_(submission.tests.size()),
      tries_(submission.tests.size()),
      usage_(base::MonotonicNow()),
      stop_after_(submission.tests.size()),
      output_left_(kKeptOfAll),
      timers_(std::make_unique<Timers>(loop)) {
  for (size_t i = 0; i < results_.size(); ++i) {
    results_[i] = NotRun(submission.tests[i], kSkipped);
  }
}

Judge::~Judge() = default;

void Judge::Start(base::Nanos timeout) {
  timers_->deadline.expires_after(std::chrono::nanoseconds(timeout));
  timers_->deadline.async_wait(
      [weak = weak_from_this(), timeout](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (!error && self) {
          self->TimeIsUp(timeout);
        }
      });
  Fill();
}

void Judge::Cancel() {
  if (std::exchange(cancelled_, true)) {
    return;
  }
  timers_->pause.cancel();
  for (const auto& [index, running] : running_) {
    Kill(running);
  }
  FinishIfDone();
}

void Judge::Abandon() {
  spare_ = nullptr;
  borrowed_ = 0;
  done_ = nullptr;
  Cancel();
}

void Judge::OnSpareSlot() {
  Fill();
}

void Judge::Fill() {
  if (std::exchange(filling_, true)) {
    return;
  }
  while (!cancelled_ && error_.empty() && !time_is_up_ && !pausing_) {
    if (running_.size() > borrowed_) {
      // The job's own slot is in use. Is there a test for another?
      if (again_.empty() && next_ >= std::min(results_.size(), stop_after_ + 1)) {
        break;
      }
      if (spare_ == nullptr || !spare_->Take()) {
        break;
      }
      ++borrowed_;
    }
    const std::optional<size_t> index = TakeNext();
    if (!index) {
      break;
    }
    StartTest(*index);
  }
  filling_ = false;
  // What is borrowed beyond need goes back.
  GiveBackDownTo(running_.empty() ? 0 : std::min(borrowed_, running_.size() - 1));
}

void Judge::GiveBackDownTo(size_t needed) {
  while (spare_ != nullptr && borrowed_ > needed) {
    --borrowed_;
    spare_->Return();
  }
}

std::optional<size_t> Judge::TakeNext() {
  while (!again_.empty()) {
    const size_t index = again_.front();
    again_.pop_front();
    if (index <= stop_after_) {
      return index;
    }
  }
  if (next_ >= results_.size() || next_ > stop_after_) {
    return std::nullopt;
  }
  return next_++;
}

void Judge::Kill(const Running& running) {
  if (running.interaction) {
    running.interaction->Cancel();
  } else {
    backend_.Cancel(running.id);
  }
}

void Judge::StartTest(size_t index) {
  if (submission_.interacts) {
    return StartInteraction(index);
  }
  StartSandbox(index, make_spec_(submission_.tests[index]),
               [self = shared_from_this(), index](sandbox::RunResult run) {
                 self->OnEnded(index, std::move(run));
               });
}

void Judge::StartSandbox(size_t index, sandbox::Spec spec, sandbox::Backend::OnDone on_done) {
  Running& running = running_[index];
  running.limits = spec.limits;
  running.id = backend_.Start(std::move(spec), {}, std::move(on_done));
  Measure(running.id);
}

void Judge::Measure(sandbox::Backend::RunId run) {
  backend_.WatchUsage(run, [self = shared_from_this(), run](const sandbox::LiveUsage& usage) {
    self->usage_.Measured(run, usage);
    self->TellUsage();
  });
}

sandbox::Limits Judge::EndSandbox(size_t index, const sandbox::RunResult& run) {
  const Running ended = running_[index];
  running_.erase(index);
  usage_.Ended(ended.id, run.usage);
  TellUsage();
  return ended.limits;
}

void Judge::TellUsage() {
  if (on_usage_ && done_) {
    if (const auto usage = usage_.Take(base::MonotonicNow())) {
      on_usage_(*usage);
    }
  }
}

void Judge::OnEnded(size_t index, sandbox::RunResult run) {
  const sandbox::Limits limits = EndSandbox(index, run);
  if (IsOutcome(index, run)) {
    const base::Nanos start_time = run.start_time;
    job::TestResult result = TestVerdict(std::move(run), limits);
    result.start_time = start_time;
    if (result.verdict == job::Verdict::kOk &&
        submission_.tests[index].checker == job::Checker::kProgram) {
      return StartCheck(index, std::move(result));  // in the same slot
    }
    CheckAnswer(index, std::move(result));
  } else if (IsLate(index)) {
    results_[index].usage = TestVerdict(std::move(run), limits).usage;
  }
  SlotIsFree();
}

// Whether the time of all tests has ended this one, with what it had used until then.
bool Judge::IsLate(size_t index) const {
  return time_is_up_ && results_[index].verdict == job::Verdict::kTimeLimit;
}

bool Judge::IsWanted(size_t index) const {
  return !cancelled_ && error_.empty() && !time_is_up_ && index <= stop_after_;
}

// Whether the run is one that somebody still asks for and that has ended as programs do.
bool Judge::IsOutcome(size_t index, const sandbox::RunResult& run) {
  if (!IsWanted(index)) {
    return false;
  }
  if (run.cause != sandbox::Cause::kInternal && run.cause != sandbox::Cause::kCancelled) {
    return true;
  }
  OnBroken(index, run.cause == sandbox::Cause::kInternal ? run.message
                                                         : "it was cancelled by the backend");
  return false;
}

void Judge::SlotIsFree() {
  GiveBackDownTo(borrowed_ > 0 ? borrowed_ - 1 : 0);  // Fill takes it again when nobody waits
  Fill();
  FinishIfDone();
}

void Judge::StartCheck(size_t index, job::TestResult result) {
  sandbox::Spec spec = make_check_(submission_.tests[index], result.stdout_data);
  const auto held = std::make_shared<job::TestResult>(std::move(result));
  StartSandbox(index, std::move(spec),
               [self = shared_from_this(), index, held](sandbox::RunResult run) {
                 self->OnChecked(index, std::move(*held), std::move(run));
               });
}

void Judge::OnChecked(size_t index, job::TestResult result, sandbox::RunResult run) {
  const sandbox::Limits limits = EndSandbox(index, run);
  if (IsOutcome(index, run)) {
    TakeCheck(std::move(run), limits, &result);
    Settle(index, std::move(result), std::nullopt);
  } else if (IsLate(index)) {
    results_[index].usage = result.usage;
  }
  SlotIsFree();
}

// Both of its sandboxes in the slot of the test.
void Judge::StartInteraction(size_t index) {
  const job::TestCase& test = submission_.tests[index];
  sandbox::Spec program = make_spec_(test);
  sandbox::Spec interactor = make_check_(test, "");
  const InteractionLimits limits{program.limits, interactor.limits, submission_.idle_timeout};
  const auto interaction = std::make_shared<Interaction>(
      loop_, backend_, limits.idle_time,
      [self = shared_from_this()](sandbox::Backend::RunId id, const sandbox::LiveUsage& usage) {
        self->usage_.Measured(id, usage);
        self->TellUsage();
      },
      [self = shared_from_this(), index, limits](InteractionResult result) {
        self->OnInteracted(index, limits, std::move(result));
      });
  running_[index].interaction = interaction;
  interaction->Start(std::move(program), std::move(interactor));
}

void Judge::OnInteracted(size_t index, const InteractionLimits& limits, InteractionResult result) {
  const std::shared_ptr<Interaction> interaction = std::move(running_[index].interaction);
  running_.erase(index);
  usage_.Ended(interaction->program(), result.program.usage);
  usage_.Ended(interaction->interactor(), result.interactor.usage);
  TellUsage();
  if (IsWanted(index) && !result.failure.empty()) {
    OnBroken(index, result.failure);
  } else if (IsWanted(index)) {
    const base::Nanos start_time = result.program.start_time;
    job::TestResult test = InteractionVerdict(std::move(result), limits);
    test.start_time = start_time;
    Settle(index, std::move(test), std::nullopt);
  } else if (IsLate(index)) {
    results_[index].usage = InteractionVerdict(std::move(result), limits).usage;
  }
  SlotIsFree();
}

void Judge::OnBroken(size_t index, const std::string& message) {
  base::Log(base::LogLevel::kError, "sandbox failed",
            {{"step", "test"},
             {"test", std::to_string(index)},
             {"error", message},
             {"try", std::to_string(tries_[index] + 1)}});
  if (++tries_[index] >= kMaxTries) {
    error_ = message;
    for (const auto& [other, running] : running_) {
      Kill(running);
    }
    return;
  }
  again_.push_back(index);
  pausing_ = true;
  timers_->pause.expires_after(kRetryPause);
  timers_->pause.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) {  // else it was set again, or the judge is cancelled
      self->pausing_ = false;
      self->Fill();
      self->FinishIfDone();
    }
  });
}

void Judge::CheckAnswer(size_t index, job::TestResult result) {
  const job::TestCase& test = submission_.tests[index];
  if (result.verdict != job::Verdict::kOk || !test.expected_output) {
    Settle(index, std::move(result), std::nullopt);
    return;
  }
  if (test.expected_output->size() + result.stdout_data.size() <= kCompareInline) {
    auto difference =
        Compare(test.checker, test.tolerance, *test.expected_output, result.stdout_data);
    Settle(index, std::move(result), std::move(difference));
    return;
  }
  ++checking_;
  auto held = std::make_shared<job::TestResult>(std::move(result));
  boost::asio::post(
      checkers_, [self = shared_from_this(), index, held = std::move(held)]() mutable {
        const job::TestCase& compared = self->submission_.tests[index];
        auto difference = Compare(compared.checker, compared.tolerance, *compared.expected_output,
                                  held->stdout_data);
        boost::asio::io_context& loop = self->loop_;
        boost::asio::post(loop, [self = std::move(self), index, held = std::move(held),
                                 difference = std::move(difference)]() mutable {
          --self->checking_;
          self->Settle(index, std::move(*held), std::move(difference));
          self->Fill();
          self->FinishIfDone();
        });
      });
}

void Judge::Settle(size_t index, job::TestResult result,
                   std::optional<job::Difference> difference) {
  const job::TestCase& test = submission_.tests[index];
  if (difference) {
    result.verdict = job::Verdict::kWrongAnswer;
    result.message = "The answer differs in line " + std::to_string(difference->line) + ".";
    result.difference = std::move(difference);
  }
  if (index > stop_after_) {
    return;
  }
  ShortenOutput(test, &result);
  const bool ok = result.verdict == job::Verdict::kOk;
  results_[index] = std::move(result);
  if (!ok && submission_.stop_on_failure) {
    StopAfter(index);
  }
}

// As if the tests had run one after the other, whatever ran ahead.
void Judge::StopAfter(size_t index) {
  stop_after_ = index;
  for (const auto& [other, running] : running_) {
    if (other > index) {
      Kill(running);
    }
  }
  for (size_t i = index + 1; i < results_.size(); ++i) {
    results_[i] = NotRun(submission_.tests[i], kSkipped);
  }
}

void Judge::TimeIsUp(base::Nanos timeout) {
  if (cancelled_ || !error_.empty() || !done_) {
    return;
  }
  time_is_up_ = true;
  std::set<size_t> open(again_.begin(), again_.end());
  for (const auto& [index, running] : running_) {
    open.insert(index);
  }
  for (size_t i = next_; i < results_.size(); ++i) {
    open.insert(i);
  }
  open.erase(open.upper_bound(stop_after_), open.end());  // these are skipped already
  const std::string why =
      "All tests together took longer than " + base::FormatDuration(timeout) + ".";
  for (const size_t index : open) {
    results_[index] = NotRun(submission_.tests[index], why);
    const bool first = running_.empty() && index == *open.begin();
    if (first || running_.count(index) > 0) {
      results_[index].verdict = job::Verdict::kTimeLimit;
    }
  }
  for (const auto& [index, running] : running_) {
    Kill(running);
  }
  FinishIfDone();
}

void Judge::ShortenOutput(const job::TestCase& test, job::TestResult* result) {
  const size_t kept = test.expected_output ? kKeptChecked : kKeptUnchecked;
  const auto shorten = [&](std::string* data, bool* truncated) {
    const size_t most = std::min(kept, output_left_);
    if (data->size() > most) {
      *data = std::string(base::TruncateUtf8(*data, most));  // gives the memory back
      *truncated = true;
    }
    output_left_ -= data->size();
  };
  shorten(&result->stdout_data, &result->stdout_truncated);
  shorten(&result->stderr_data, &result->stderr_truncated);
  if (result->stdin_data) {
    shorten(&*result->stdin_data, &result->stdin_truncated);
  }
}

void Judge::FinishIfDone() {
  if (!running_.empty() || checking_ > 0 || !done_) {
    return;
  }
  const bool ended = cancelled_ || !error_.empty() || time_is_up_;
  if (!ended &&
      (!again_.empty() || pausing_ || next_ < std::min(results_.size(), stop_after_ + 1))) {
    return;
  }
  timers_->pause.cancel();
  timers_->deadline.cancel();
  std::optional<base::Result<std::vector<job::TestResult>>> outcome;
  if (!cancelled_ && !error_.empty()) {
    outcome.emplace(base::Internal(error_));
  } else if (!cancelled_) {
    outcome.emplace(std::move(results_));
  }
  // From the loop, never from within a call.
  boost::asio::post(loop_, [done = std::exchange(done_, nullptr),
                            outcome = std::move(outcome)]() mutable { done(std::move(outcome)); });
}

}  // namespace executor
