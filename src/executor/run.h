#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "executor/compile_cache.h"
#include "executor/executor.h"
#include "executor/judge.h"
#include "job/store.h"
#include "language/language.h"
#include "sandbox/spec.h"

namespace executor {

// One job's life: compile if the language has that step, run, or judge where there are tests, map
// to an outcome. A failure of the sandbox itself is tried again a few times before the job is given
// up. Lives on the event loop's thread. Options, backend and language must outlive it; it keeps
// itself alive while a sandbox runs.
class Run : public std::enable_shared_from_this<Run> {
 public:
  // Called once, never from within Start or Cancel: the outcome (finished_at unset), or nullopt
  // when the run was cancelled.
  using Done = std::function<void(std::optional<job::Outcome>)>;

  // What runs share; `cache` and `spare` may be null.
  struct Shared {
    boost::asio::io_context& loop;
    const Options& options;
    sandbox::Backend& backend;
    const language::Registry& languages;
    CompileCache* cache;
    SpareSlots* spare;
    boost::asio::thread_pool& checkers;
  };

  // What hears of the program while it runs (not of the compiler); either may be empty.
  struct Listener {
    sandbox::Backend::OnOutput on_output;  // as it writes; not on tests
    sandbox::Backend::OnUsage on_usage;    // now and then; on tests of all of them together
  };

  // `language` may be null or unavailable: the job fails with a message that says so.
  Run(const Shared& shared, const language::Language* language, job::Job job, Listener listener,
      Done done);
  ~Run();

  void Start();

  // Kills what runs; `done` follows with nullopt once nothing of it is left.
  void Cancel();

  // What a client does to the program of an interactive job, as job::Session has it. Until the
  // program starts, input waits and signals are lost.
  void Write(std::string data, std::function<void()> done);
  void CloseInput();

  bool terminal() const { return job_.submission.terminal.has_value(); }

  void Resize(job::TerminalSize size);
  void Signal(int signal);

  // There may be a spare slot, should it judge.
  void OnSpareSlot();

  // Cancels, and `done` is not called any more.
  void Abandon();

 private:
  struct Retry;

  // What is compiled, and run: the job's program, or the one that checks its answers.
  struct Program {
    const language::Language* language = nullptr;
    const job::Submission* submission = nullptr;
    std::optional<job::CompileResult> compile;
    std::shared_ptr<base::UniqueFd> binary;
  };

  void Begin();
  void Build(Program* program);
  void Built();
  void CompileFailed(std::string why);
  bool IsAvailable(const language::Language* language, const std::string& name);
  void FindCompiled();
  void StartCompile();
  void CompileEnded(sandbox::RunResult result);
  void StartRun();
  void StartInput();
  void DropInput();
  void StartJudge();
  void RunEnded(sandbox::RunResult result);
  void Launch(sandbox::Spec spec, sandbox::Backend::OnOutput on_output,
              void (Run::*ended)(sandbox::RunResult));
  sandbox::Backend::OnOutput TellOnce();
  sandbox::Backend::OnUsage TellUsage();
  void SandboxFailed(const std::string& step, const std::string& message);
  void Complete(job::Result result);
  void Fail(std::string error);
  void PostDone(std::optional<job::Outcome> outcome);
  void CallDone(std::optional<job::Outcome> outcome);

  boost::asio::io_context& loop_;
  const Options& options_;
  sandbox::Backend& backend_;
  CompileCache* const cache_;
  SpareSlots* const spare_;
  boost::asio::thread_pool& checkers_;
  const job::Job job_;
  const Listener listener_;
  Done done_;
  std::unique_ptr<Retry> retry_;
  int tries_ = 0;
  bool cancelled_ = false;
  std::optional<sandbox::Backend::RunId> sandbox_;  // what runs at the moment
  std::optional<sandbox::Backend::RunId> program_;  // an interactive one, once it is started
  std::string input_;                               // for it, until then
  std::function<void()> input_done_;
  bool input_ends_ = false;
  std::optional<job::TerminalSize> size_;  // of its terminal, when the client has changed it
  sandbox::Limits limits_;                 // of what runs at the moment
  Program main_;
  Program checker_;
  Program* building_ = nullptr;
  std::string cache_key_;
  std::array<size_t, 2> told_{};  // bytes of stdout and stderr that the listener has heard
  std::shared_ptr<Judge> judge_;
};

}  // namespace executor
