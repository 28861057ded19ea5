#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "executor/usage_sum.h"
#include "job/job.h"
#include "sandbox/spec.h"

namespace boost::asio {
class io_context;
class thread_pool;
}  // namespace boost::asio

namespace executor {

class Interaction;
struct InteractionLimits;
struct InteractionResult;

// Slots of the executor's that nobody else wants at the moment. On the loop's thread.
class SpareSlots {
 public:
  virtual ~SpareSlots() = default;

  // False when there is none; whoever may use one is told when that changes.
  virtual bool Take() = 0;
  virtual void Return() = 0;
};

// Runs a program on the tests of a job, each in a sandbox of its own, beside that of its interactor
// where the submission has one: one test at a time in the job's slot, and as many more as there are
// spare slots; a spare one is given back after each test. Under stop_on_failure the results are
// those of running one after the other: what comes after the first failure is kSkipped. Long
// comparisons happen on `checkers`. Lives on the loop's thread; loop, backend, spare slots and the
// thread must outlive it; it keeps itself alive while a sandbox runs.
class Judge : public std::enable_shared_from_this<Judge> {
 public:
  // What the sandbox of a test is asked to do.
  using MakeSpec = std::function<sandbox::Spec(const job::TestCase& test)>;
  // What that of its checker program is, once the program has written its output; or that of its
  // interactor, without an output.
  using MakeCheck = std::function<sandbox::Spec(const job::TestCase&, const std::string& output)>;
  // The results in the order of the tests; an error when the sandbox keeps failing; nullopt when
  // the judge was cancelled. Called once, after which nothing runs.
  using Done = std::function<void(std::optional<base::Result<std::vector<job::TestResult>>>)>;

  // `spare` may be null. `submission` must outlive it.
  Judge(boost::asio::io_context& loop, sandbox::Backend& backend, SpareSlots* spare,
        boost::asio::thread_pool& checkers, const job::Submission& submission, MakeSpec make_spec,
        MakeCheck make_check, Done done);
  ~Judge();

  // Before Start: `on_usage` hears what the sandboxes use together, now and then, until `done`.
  void WatchUsage(sandbox::Backend::OnUsage on_usage) { on_usage_ = std::move(on_usage); }

  // After `timeout` what runs is killed, and nothing more is started: of the tests that have no
  // outcome by then, those that run, or else the first, are kTimeLimit, the others kSkipped.
  void Start(base::Nanos timeout);

  // Kills what runs; `done` follows with nullopt.
  void Cancel();

  // Cancels, and neither `done` nor the spare slots are called any more.
  void Abandon();

  // There may be a spare slot.
  void OnSpareSlot();

 private:
  // A sandbox, or an interaction of two.
  struct Running {
    sandbox::Backend::RunId id = 0;
    sandbox::Limits limits;
    std::shared_ptr<Interaction> interaction;
  };

  struct Timers;

  void Fill();
  void GiveBackDownTo(size_t needed);
  void Kill(const Running& running);
  bool IsWanted(size_t index) const;
  bool IsLate(size_t index) const;
  bool IsOutcome(size_t index, const sandbox::RunResult& run);
  void SlotIsFree();
  std::optional<size_t> TakeNext();
  void StartTest(size_t index);
  void StartSandbox(size_t index, sandbox::Spec spec, sandbox::Backend::OnDone on_done);
  sandbox::Limits EndSandbox(size_t index, const sandbox::RunResult& run);
  void Measure(sandbox::Backend::RunId run);
  void TellUsage();
  void OnEnded(size_t index, sandbox::RunResult run);
  void StartCheck(size_t index, job::TestResult result);
  void OnChecked(size_t index, job::TestResult result, sandbox::RunResult run);
  void StartInteraction(size_t index);
  void OnInteracted(size_t index, const InteractionLimits& limits, InteractionResult result);
  void OnBroken(size_t index, const std::string& message);
  void CheckAnswer(size_t index, job::TestResult result);
  void Settle(size_t index, job::TestResult result, std::optional<job::Difference> difference);
  void StopAfter(size_t index);
  void TimeIsUp(base::Nanos timeout);
  void ShortenOutput(const job::TestCase& test, job::TestResult* result);
  void FinishIfDone();

  boost::asio::io_context& loop_;
  sandbox::Backend& backend_;
  SpareSlots* spare_;
  boost::asio::thread_pool& checkers_;
  const job::Submission& submission_;
  const MakeSpec make_spec_;
  const MakeCheck make_check_;
  Done done_;
  sandbox::Backend::OnUsage on_usage_;

  std::vector<job::TestResult> results_;
  std::vector<int> tries_;
  size_t next_ = 0;           // the first test that was never started
  std::deque<size_t> again_;  // those whose sandbox failed
  std::map<size_t, Running> running_;
  UsageSum usage_;
  size_t borrowed_ = 0;  // spare slots that we hold
  size_t checking_ = 0;
  size_t stop_after_;  // tests beyond this one are not run
  size_t output_left_;
  bool filling_ = false;
  bool cancelled_ = false;
  bool time_is_up_ = false;
  bool pausing_ = false;
  std::string error_;
  std::unique_ptr<Timers> timers_;
};

}  // namespace executor
