#include "executor/run.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "executor/metrics.h"
#include "executor/score.h"
#include "executor/steps.h"
#include "executor/verdict.h"

namespace executor {
namespace {

// Tries of one lease before a job whose sandbox fails is given up, and the pause between them.
constexpr int kMaxTries = 3;
constexpr std::chrono::milliseconds kRetryPause(200);

}  // namespace

struct Run::Retry {
  explicit Retry(boost::asio::io_context& loop) : timer(loop) {}

  boost::asio::steady_timer timer;
};

Run::Run(const Shared& shared, const language::Language* language, job::Job job, Listener listener,
         Done done)
    : loop_(shared.loop),
      options_(shared.options),
      backend_(shared.backend),
      cache_(shared.cache),
      spare_(shared.spare),
      checkers_(shared.checkers),
      job_(std::move(job)),
      listener_(std::move(listener)),
      done_(std::move(done)),
      retry_(std::make_unique<Retry>(shared.loop)) {
  main_.language = language;
  main_.submission = &job_.submission;
  checker_.submission = job_.submission.checker.get();
  if (checker_.submission != nullptr) {
    checker_.language = shared.languages.Find(checker_.submission->language);
  }
}

Run::~Run() = default;

void Run::Start() {
  if (job_.submission.interactive && job_.attempts > 1) {
    Fail("The node that held the client's connection was lost.");
  } else if (IsAvailable(main_.language, job_.submission.language) &&
             (checker_.submission == nullptr ||
              IsAvailable(checker_.language, checker_.submission->language))) {
    Begin();
  }
}

bool Run::IsAvailable(const language::Language* language, const std::string& name) {
  if (language != nullptr && language->available) {
    return true;
  }
  Fail("The language '" + name +
       (language == nullptr
            ? "' is not known to this worker."
            : "' is not available on this worker: " + language->unavailable_reason + "."));
  return false;
}

void Run::Cancel() {
  if (cancelled_) {
    return;
  }
  cancelled_ = true;
  if (sandbox_) {
    backend_.Cancel(*sandbox_);  // its end arrives as usual
  } else if (judge_) {
    judge_->Cancel();
  } else if (retry_->timer.cancel() > 0) {
    PostDone(std::nullopt);
  }
}

void Run::Write(std::string data, std::function<void()> done) {
  if (program_ && !input_ends_) {
    backend_.live_input().Write(*program_, std::move(data), std::move(done));
  } else if (!done_ || input_done_ || input_ends_) {
    boost::asio::post(loop_, std::move(done));
  } else {
    input_ = std::move(data);
    input_done_ = std::move(done);
  }
}

void Run::CloseInput() {
  input_ends_ = true;
  if (program_) {
    backend_.live_input().CloseInput(*program_);
  }
}

void Run::Resize(job::TerminalSize size) {
  size_ = size;
  if (program_) {
    backend_.live_input().Resize(*program_, ToSandbox(size));
  }
}

void Run::Signal(int signal) {
  if (program_) {
    backend_.live_input().Signal(*program_, signal);
  }
}

void Run::OnSpareSlot() {
  if (judge_) {
    judge_->OnSpareSlot();
  }
}

void Run::Abandon() {
  done_ = nullptr;
  DropInput();
  if (judge_) {
    judge_->Abandon();
    judge_.reset();  // it holds us
  }
  Cancel();
}

void Run::Begin() {
  ++tries_;
  Build(&main_);
}

void Run::Build(Program* program) {
  building_ = program;
  program->compile.reset();
  program->binary.reset();
  if (program->language->compile && cache_ != nullptr) {
    FindCompiled();
  } else if (program->language->compile) {
    StartCompile();
  } else {
    Built();
  }
}

void Run::Built() {
  if (building_ == &main_ && checker_.submission != nullptr) {
    Build(&checker_);
  } else {
    StartRun();
  }
}

void Run::FindCompiled() {
  const CompileInput input =
      CompileInputOf(*building_->language, *building_->submission, backend_.isolation());
  cache_key_ = CompileCache::Key(input);
  cache_->Find(cache_key_,
               [self = shared_from_this()](std::shared_ptr<const CompiledProgram> program) {
                 CountCacheLookup(program != nullptr);
                 if (self->cancelled_) {
                   return self->PostDone(std::nullopt);
                 }
                 if (program == nullptr) {
                   return self->StartCompile();
                 }
                 self->building_->compile = program->compile;
                 self->building_->binary = program->binary;
                 self->Built();
               });
}

void Run::StartCompile() {
  Launch(CompileSpec(options_, *building_->language, *building_->submission), {},
         &Run::CompileEnded);
}

void Run::CompileEnded(sandbox::RunResult result) {
  if (result.cause == sandbox::Cause::kInternal) {
    SandboxFailed("compile", result.message);
    return;
  }
  building_->compile = CompileOutput(result);
  if (std::optional<std::string> failure = CompileFailure(result, limits_)) {
    CompileFailed(*std::move(failure));
    return;
  }
  building_->binary = result.collected.front().fd;
  if (cache_ != nullptr) {
    cache_->Store(cache_key_, *building_->compile, building_->binary);
  }
  Built();
}

void Run::CompileFailed(std::string why) {
  const bool of_checker = building_ == &checker_;
  job::Result outcome;
  outcome.verdict = of_checker ? job::Verdict::kCheckerError : job::Verdict::kCompileError;
  const std::string who = job_.submission.interacts ? "The interactor: " : "The checker: ";
  outcome.message = of_checker ? who + why : std::move(why);
  for (const job::TestCase& test : job_.submission.tests) {
    outcome.tests.push_back(NotRun(test, outcome.message));
    outcome.max_points += test.points;
  }
  Complete(std::move(outcome));
}

void Run::StartRun() {
  if (!job_.submission.tests.empty()) {
    return StartJudge();
  }
  sandbox::Spec spec = RunSpec(options_, *main_.language, job_.submission, main_.binary);
  if (spec.terminal && size_) {
    spec.terminal = ToSandbox(*size_);
  }
  Launch(std::move(spec), TellOnce(), &Run::RunEnded);
  backend_.WatchUsage(*sandbox_, TellUsage());
  if (job_.submission.interactive) {
    StartInput();
  }
}

void Run::StartInput() {
  program_ = sandbox_;
  sandbox::LiveInput& live = backend_.live_input();
  if (std::function<void()> done = std::exchange(input_done_, nullptr)) {
    live.Write(*program_, std::exchange(input_, {}), std::move(done));
  }
  if (input_ends_) {
    live.CloseInput(*program_);
  }
}

// There will be no program to take it.
void Run::DropInput() {
  input_.clear();
  if (std::function<void()> done = std::exchange(input_done_, nullptr)) {
    boost::asio::post(loop_, std::move(done));
  }
}

void Run::StartJudge() {
  judge_ = std::make_shared<Judge>(
      loop_, backend_, spare_, checkers_, job_.submission,
      [self = shared_from_this()](const job::TestCase& test) {
        return RunSpec(self->options_, *self->main_.language, self->job_.submission,
                       self->main_.binary, &test);
      },
      [self = shared_from_this()](const job::TestCase& test, const std::string& output) {
        const job::Submission& submission = self->job_.submission;
        return submission.interacts ? InteractorSpec(self->options_, *self->checker_.language,
                                                     submission, self->checker_.binary, test)
                                    : CheckSpec(self->options_, *self->checker_.language,
                                                submission, self->checker_.binary, test, output);
      },
      [self =
           shared_from_this()](std::optional<base::Result<std::vector<job::TestResult>>> results) {
        self->judge_.reset();
        if (!results || self->cancelled_) {
          self->CallDone(std::nullopt);
        } else if (!*results) {
          self->Fail("The sandbox failed: " + results->error().message);
        } else {
          self->Complete(Score(self->job_.submission, **std::move(results)));
        }
      });
  judge_->WatchUsage(TellUsage());
  judge_->Start(options_.judge_timeout);
}

void Run::RunEnded(sandbox::RunResult result) {
  if (result.cause == sandbox::Cause::kInternal) {
    SandboxFailed("run", result.message);
    return;
  }
  const base::Nanos start_time = result.start_time;
  std::vector<job::OutputFile> files = OutputFiles(result);
  const bool more_files = result.more_files;
  job::Result outcome = RunVerdict(std::move(result), limits_);
  outcome.start_time = start_time;
  outcome.files = std::move(files);
  outcome.files_truncated = more_files;
  Complete(std::move(outcome));
}

// A run that is tried again tells only what goes beyond what an earlier try told: watchers hear
// each byte once. The outcome is right in any case.
sandbox::Backend::OnOutput Run::TellOnce() {
  if (!listener_.on_output) {
    return {};
  }
  return [self = shared_from_this(), written = std::array<size_t, 2>{}](
             sandbox::Stream stream, std::string_view data) mutable {
    const size_t index = stream == sandbox::Stream::kStdout ? 0 : 1;
    size_t& told = self->told_.at(index);
    const size_t begin = std::exchange(written.at(index), written.at(index) + data.size());
    if (begin + data.size() > told && !self->cancelled_) {
      data.remove_prefix(told > begin ? told - begin : 0);
      told = written.at(index);
      self->listener_.on_output(stream, data);
    }
  };
}

sandbox::Backend::OnUsage Run::TellUsage() {
  return [self = shared_from_this()](const sandbox::LiveUsage& usage) {
    if (self->listener_.on_usage && !self->cancelled_) {
      self->listener_.on_usage(usage);
    }
  };
}

void Run::Launch(sandbox::Spec spec, sandbox::Backend::OnOutput on_output,
                 void (Run::*ended)(sandbox::RunResult)) {
  limits_ = spec.limits;
  sandbox_ = backend_.Start(std::move(spec), std::move(on_output),
                            [self = shared_from_this(), ended](sandbox::RunResult result) {
                              self->sandbox_.reset();
                              // A run that nobody waits for any more has no outcome, however it
                              // ended.
                              if (self->cancelled_) {
                                self->CallDone(std::nullopt);
                              } else if (result.cause == sandbox::Cause::kCancelled) {
                                self->SandboxFailed("run", "it was cancelled by the backend");
                              } else {
                                (self.get()->*ended)(std::move(result));
                              }
                            });
}

void Run::SandboxFailed(const std::string& step, const std::string& message) {
  base::Log(base::LogLevel::kError, "sandbox failed",
            {{"job", job_.id},
             {"step", step},
             {"error", message},
             {"try", std::to_string(tries_)},
             {"attempt", std::to_string(job_.attempts)}});
  // What the client has said is said to the program that has failed.
  if (tries_ >= kMaxTries || job_.submission.interactive) {
    Fail("The sandbox failed: " + message);
    return;
  }
  retry_->timer.expires_after(kRetryPause);
  retry_->timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (error) {
      return;  // Cancel has answered
    }
    if (self->cancelled_) {
      self->CallDone(std::nullopt);
    } else {
      self->Begin();
    }
  });
}

void Run::Complete(job::Result result) {
  result.compile = std::move(main_.compile);
  result.checker_compile = std::move(checker_.compile);
  result.queue_time = std::max<base::Nanos>(0, job_.started_at - job_.created_at);
  job::Outcome outcome;
  outcome.status = job::Status::kCompleted;
  outcome.result = std::move(result);
  PostDone(std::move(outcome));
}

void Run::Fail(std::string error) {
  job::Outcome outcome;
  outcome.status = job::Status::kFailed;
  outcome.error = std::move(error);
  PostDone(std::move(outcome));
}

void Run::PostDone(std::optional<job::Outcome> outcome) {
  boost::asio::post(loop_, [self = shared_from_this(), outcome = std::move(outcome)]() mutable {
    self->CallDone(self->cancelled_ ? std::nullopt : std::move(outcome));
  });
}

void Run::CallDone(std::optional<job::Outcome> outcome) {
  DropInput();
  if (Done done = std::exchange(done_, nullptr)) {
    done(std::move(outcome));
  }
}

}  // namespace executor
