#include "executor/executor.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <utility>

#include "base/text.h"

namespace executor {
namespace {

using base::Error;
using base::ErrorKind;
using job::Status;
using job::Verdict;
using sandbox::Cause;

// A store of scripted answers: jobs are handed out in order, outcomes are remembered.
class FakeStore : public job::Store {
 public:
  explicit FakeStore(boost::asio::io_context& loop) : loop_(loop) {}

  void Submit(job::Job job, job::Durability, Callback<void> done) override {
    Queue(std::move(job));
    Answer(std::move(done), {});
  }

  void Sync(Callback<void> done) override { Answer(std::move(done), {}); }

  void Queue(job::Job job) {
    queue_.push_back(std::move(job));
    if (listener_) {
      listener_();
    }
  }

  void Get(std::string, Callback<job::Job>) override {}

  void LeaseJobs(std::string, int max, Callback<std::vector<job::Lease>> done) override {
    ++lease_calls;
    most_asked = std::max(most_asked, max);
    std::vector<job::Lease> leases;
    while (!queue_.empty() && static_cast<int>(leases.size()) < max) {
      job::Lease lease{std::move(queue_.front()), ++last_token_};
      queue_.pop_front();
      lease.job.status = Status::kRunning;
      lease.job.started_at = lease.job.created_at + 7;
      lease.job.attempts++;
      leases.push_back(std::move(lease));
    }
    boost::asio::post(loop_,
                      [done = std::move(done), leases = std::move(leases)] { done(leases); });
  }

  void Begin(std::string, job::Job job, Callback<job::Lease> done) override {
    job::Lease lease{std::move(job), ++last_token_};
    lease.job.status = Status::kRunning;
    lease.job.attempts++;
    boost::asio::post(loop_, [done = std::move(done), lease = std::move(lease)] { done(lease); });
  }

  void Renew(std::string, uint64_t, Callback<void> done) override {
    ++renewals;
    Answer(std::move(done), renew_answer);
  }

  void Finish(std::string id, uint64_t, job::Outcome outcome, Callback<void> done) override {
    ++finish_calls;
    if (!finish_errors.empty()) {
      const Error error = finish_errors.front();
      finish_errors.pop_front();
      Answer(std::move(done), error);
      return;
    }
    outcomes[id] = std::move(outcome);
    Answer(std::move(done), {});
  }

  void Release(std::string id, uint64_t, Callback<void> done) override {
    released.push_back(std::move(id));
    Answer(std::move(done), {});
  }

  void List(job::ListQuery, Callback<job::ListPage>) override {}

  void Cancel(std::string, Callback<job::Job>) override {}

  void OnCancel(std::function<void(std::string)> listener) override {
    cancel_listener = std::move(listener);
  }

  void Publish(std::string id, job::OutputChunk chunk) override {
    published[std::move(id)].push_back(std::move(chunk));
  }

  void PublishUsage(std::string id, uint64_t, sandbox::LiveUsage usage) override {
    usages[std::move(id)].push_back(usage);
  }

  WatchHandle WatchUsage(std::string, UsageListener) override { return nullptr; }

  WatchHandle WatchOutput(std::string, job::OutputPosition, OutputListener) override {
    return nullptr;
  }

  void Recover(Callback<int64_t>) override {}

  void Sweep(Callback<void>) override {}

  void Stats(Callback<job::StoreStats>) override {}

  WatchHandle Watch(std::string, Watched, std::function<void()>) override { return nullptr; }

  void OnQueued(std::function<void()> listener) override { listener_ = std::move(listener); }

  std::string_view name() const override { return "fake"; }

  int lease_calls = 0;
  int most_asked = 0;
  int renewals = 0;
  int finish_calls = 0;
  base::Result<void> renew_answer;
  std::deque<Error> finish_errors;
  std::map<std::string, job::Outcome> outcomes;
  std::vector<std::string> released;
  std::function<void(std::string)> cancel_listener;
  std::map<std::string, std::vector<job::OutputChunk>> published;
  std::map<std::string, std::vector<sandbox::LiveUsage>> usages;

 private:
  void Answer(Callback<void> done, base::Result<void> result) {
    boost::asio::post(loop_,
                      [done = std::move(done), result = std::move(result)] { done(result); });
  }

  boost::asio::io_context& loop_;
  std::deque<job::Job> queue_;
  std::function<void()> listener_;
  uint64_t last_token_ = 0;
};

// Programs end when the test says so, or are cancelled.
class FakeBackend : public sandbox::Backend, public sandbox::LiveInput {
 public:
  explicit FakeBackend(boost::asio::io_context& loop) : loop_(loop) {}

  RunId Start(sandbox::Spec spec, OnOutput output, OnDone done) override {
    specs.push_back(std::move(spec));
    outputs.push_back(std::move(output));
    running[specs.size()] = std::move(done);
    return specs.size();
  }

  void Cancel(RunId id) override {
    cancelled.push_back(id);
    sandbox::RunResult result;
    result.cause = Cause::kCancelled;
    if (!deaf) {
      End(id, std::move(result));
    }
  }

  void WatchUsage(RunId id, OnUsage on_usage) override { watched[id] = std::move(on_usage); }

  void End(RunId id, sandbox::RunResult result) {
    const auto it = running.find(id);
    if (it == running.end()) {
      return;
    }
    boost::asio::post(loop_,
                      [done = std::move(it->second), result = std::move(result)] { done(result); });
    running.erase(it);
    watched.erase(id);
  }

  std::string_view isolation() const override { return "fake"; }

  LiveInput& live_input() override { return *this; }

  void Write(uint64_t run, std::string data, std::function<void()> done) override {
    written[run] += data;
    boost::asio::post(loop_, std::move(done));
  }

  void CloseInput(uint64_t run) override { written[run] += "<end>"; }

  void Resize(uint64_t run, sandbox::TerminalSize size) override {
    written[run] += "<" + std::to_string(size.rows) + "x" + std::to_string(size.cols) + ">";
  }

  void Signal(uint64_t run, int signal) override {
    written[run] += "<" + std::to_string(signal) + ">";
  }

  std::map<RunId, OnUsage> watched;
  std::map<uint64_t, std::string> written;
  std::vector<sandbox::Spec> specs;  // the run with id n is at n - 1
  std::vector<OnOutput> outputs;     // likewise
  std::map<RunId, OnDone> running;
  std::vector<RunId> cancelled;
  bool deaf = false;  // a cancelled program does not end

 private:
  boost::asio::io_context& loop_;
};

sandbox::RunResult Exit(int code, std::string output = "") {
  sandbox::RunResult result;
  result.cause = Cause::kExited;
  result.exit_code = code;
  result.stdout_data = std::move(output);
  result.start_time = 11;
  return result;
}

sandbox::RunResult Compiled() {
  sandbox::RunResult result = Exit(0);
  result.collected.push_back({"prog", 1, std::make_shared<base::UniqueFd>(::dup(2)), ""});
  return result;
}

sandbox::RunResult Broken() {
  sandbox::RunResult result;
  result.message = "mount: EPERM";
  return result;
}

// Two languages that every machine detects, because their tool is the shell.
language::Registry MakeLanguages() {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / ("languages-" + base::RandomId());
  std::filesystem::create_directories(folder);
  const auto write = [&](const std::string& id, const std::string& tool, const std::string& more) {
    std::ofstream(folder / (id + ".toml"))
        << "id = '" << id << "'\nname = 'X'\nextensions = ['x']\nsource = 'main.x'\nsample = 'x'\n"
        << "install = 'x'\n[detect]\ntools = ['" << tool << "']\n"
        << "version_argv = ['{tool}', '-c', 'echo v1']\nversion_pattern = 'v(.)'\n"
        << more;
  };
  write("script", "sh", "[run]\nargv = ['{tool}', '{source}']\nenv = { A = 'b' }\n");
  write("native", "sh",
        "[compile]\nargv = ['{tool}', 'build', '{source}']\noutput = 'prog'\nmemory = '2GiB'\n"
        "[run]\nargv = ['./prog']\nprocesses = 100\n");
  write("absent", "no-such-tool", "[run]\nargv = ['{tool}']\n");
  base::Result<language::Registry> registry = language::Registry::Load(folder);
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(registry) << registry.error().message;
  registry->Detect();
  EXPECT_TRUE(registry->Find("script")->available);
  return *std::move(registry);
}

class ExecutorTest : public testing::Test {
 protected:
  ExecutorTest() : store_(loop_), backend_(loop_), languages_(MakeLanguages()) {
    options_.worker = "test";
  }

  void Start() {
    executor_ = std::make_unique<Executor>(loop_, options_, store_, backend_, languages_);
    executor_->Start();
  }

  void Queue(const std::string& id, const std::string& language = "script") {
    job::Job job;
    job.id = id;
    job.submission.language = language;
    job.submission.code = "code of " + id;
    job.submission.stdin_data = "stdin of " + id;
    job.created_at = 1000;
    store_.Queue(std::move(job));
  }

  // Begins an interactive job; what the executor answers.
  base::Result<std::shared_ptr<job::Session>> Begin(const std::string& id,
                                                    const std::string& language = "script",
                                                    bool terminal = false) {
    job::Job job;
    job.id = id;
    job.submission.language = language;
    job.submission.interactive = true;
    if (terminal) {
      job.submission.terminal = job::TerminalSize{5, 6};
    }
    std::optional<base::Result<std::shared_ptr<job::Session>>> answer;
    executor_->Begin(std::move(job), [&](auto session) { answer.emplace(std::move(session)); });
    EXPECT_FALSE(answer) << "from within the call";
    EXPECT_TRUE(Until([&] { return answer.has_value(); }));
    return *std::move(answer);
  }

  // Runs the loop until `condition` holds.
  template <typename Condition>
  [[nodiscard]] bool Until(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
      loop_.restart();
      if (std::chrono::steady_clock::now() > deadline) {
        return false;
      }
      loop_.run_one_until(deadline);
    }
    return true;
  }

  bool UntilStarted(size_t runs) {
    return Until([&] { return backend_.specs.size() >= runs; });
  }

  bool UntilFinished(const std::string& id) {
    return Until([&] { return store_.outcomes.count(id) != 0 && executor_->running() == 0; });
  }

  boost::asio::io_context loop_;
  FakeStore store_;
  FakeBackend backend_;
  language::Registry languages_;
  Options options_;
  std::unique_ptr<Executor> executor_;
};

TEST_F(ExecutorTest, RunsAnInterpretedJob) {
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  const sandbox::Spec& spec = backend_.specs[0];
  EXPECT_EQ(spec.profile, sandbox::Profile::kRun);
  ASSERT_EQ(spec.argv.size(), 2U);
  EXPECT_EQ(spec.argv[0], languages_.Find("script")->tool);
  EXPECT_EQ(spec.argv[1], "main.x");
  ASSERT_EQ(spec.files.size(), 1U);
  EXPECT_EQ(spec.files[0].path, "main.x");
  EXPECT_EQ(spec.files[0].content, "code of a");
  EXPECT_EQ(spec.stdin_data, "stdin of a");
  EXPECT_EQ(spec.limits.wall_time, options_.timeout);
  EXPECT_EQ(spec.limits.memory_bytes, options_.memory_bytes);
  backend_.End(1, Exit(0, "hello\n"));
  ASSERT_TRUE(UntilFinished("a"));
  const job::Outcome& outcome = store_.outcomes["a"];
  EXPECT_EQ(outcome.status, Status::kCompleted);
  EXPECT_GT(outcome.finished_at, 0);
  ASSERT_TRUE(outcome.result);
  EXPECT_EQ(outcome.result->verdict, Verdict::kOk);
  EXPECT_EQ(outcome.result->stdout_data, "hello\n");
  EXPECT_EQ(outcome.result->queue_time, 7);
  EXPECT_EQ(outcome.result->start_time, 11);
  EXPECT_FALSE(outcome.result->compile);
}

TEST_F(ExecutorTest, TellsOfAJobOnceItsOutcomeIsStored) {
  Start();
  std::vector<std::shared_ptr<const job::Job>> ended;
  executor_->OnEnd([&](std::shared_ptr<const job::Job> job) { ended.push_back(std::move(job)); });
  store_.finish_errors = {Error{base::ErrorKind::kConflict, "someone else's", 0}};
  Queue("lost");
  ASSERT_TRUE(UntilStarted(1));
  backend_.End(1, Exit(0));
  ASSERT_TRUE(Until([&] { return store_.finish_calls == 1 && executor_->running() == 0; }));
  Queue("a");
  ASSERT_TRUE(UntilStarted(2));
  EXPECT_TRUE(ended.empty());
  backend_.End(2, Exit(3, "hello\n"));
  ASSERT_TRUE(Until([&] { return !ended.empty(); }));
  ASSERT_EQ(ended.size(), 1U);
  const job::Job& job = *ended[0];
  EXPECT_EQ(job.id, "a");
  EXPECT_EQ(job.status, Status::kCompleted);
  EXPECT_EQ(job.submission.language, "script");
  EXPECT_TRUE(job.submission.code.empty());
  EXPECT_EQ(job.attempts, 1);
  EXPECT_EQ(job.finished_at, store_.outcomes["a"].finished_at);
  ASSERT_TRUE(job.result);
  EXPECT_EQ(job.result->stdout_data, "hello\n");
  EXPECT_EQ(job.result->exit_code, 3);
}

TEST_F(ExecutorTest, RunsAnInteractiveJobBesideTheQueue) {
  Start();
  Queue("queued");
  ASSERT_TRUE(UntilStarted(1));  // it has the only slot
  const auto session = Begin("a");
  ASSERT_TRUE(session);
  ASSERT_TRUE(UntilStarted(2));
  EXPECT_TRUE(backend_.specs[1].live_input);
  EXPECT_EQ(backend_.specs[1].limits.wall_time, options_.session_timeout);
  EXPECT_EQ(backend_.specs[1].limits.cpu_time, options_.session_cpu_time);
  bool taken = false;
  (*session)->Write("x", [&] { taken = true; });
  EXPECT_TRUE(Until([&] { return taken; }));
  (*session)->Signal(2);
  (*session)->CloseInput();
  taken = false;
  (*session)->Write("late", [&] { taken = true; });
  EXPECT_TRUE(Until([&] { return taken; }));
  EXPECT_EQ(backend_.written[2], "x<2><end>");
  backend_.End(2, Exit(0));
  ASSERT_TRUE(Until([&] { return store_.outcomes.count("a") != 0; }));
  EXPECT_EQ(store_.outcomes["a"].status, Status::kCompleted);
  Queue("next");  // the queue's slot is still taken
  loop_.restart();
  loop_.run_for(std::chrono::milliseconds(20));
  EXPECT_EQ(backend_.specs.size(), 2U);
}

TEST_F(ExecutorTest, InputWaitsForTheProgram) {
  Start();
  const auto session = Begin("a", "native");
  ASSERT_TRUE(session);
  ASSERT_TRUE(UntilStarted(1));
  bool taken = false;
  (*session)->Signal(2);  // there is no program yet
  (*session)->Write("early", [&] { taken = true; });
  (*session)->CloseInput();
  loop_.restart();
  loop_.run_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(taken);
  EXPECT_FALSE(backend_.specs[0].live_input);
  backend_.End(1, Compiled());
  ASSERT_TRUE(UntilStarted(2));
  EXPECT_TRUE(Until([&] { return taken; }));
  EXPECT_EQ(backend_.written[2], "early<end>");
}

TEST_F(ExecutorTest, ATerminalStartsWithItsLatestSize) {
  Start();
  const auto session = Begin("a", "native", true);
  ASSERT_TRUE(session);
  EXPECT_TRUE((*session)->terminal());
  ASSERT_TRUE(UntilStarted(1));
  EXPECT_FALSE(backend_.specs[0].terminal) << "of the compiler";
  (*session)->Resize({7, 8});
  backend_.End(1, Compiled());
  ASSERT_TRUE(UntilStarted(2));
  const sandbox::Spec& spec = backend_.specs[1];
  ASSERT_TRUE(spec.terminal);
  EXPECT_EQ(spec.terminal->rows, 7);
  EXPECT_EQ(spec.terminal->cols, 8);
  EXPECT_EQ(spec.env.back(), (std::pair<std::string, std::string>("TERM", "xterm-256color")));
  (*session)->Resize({9, 10});
  EXPECT_EQ(backend_.written[2], "<9x10>");
  const auto piped = Begin("b");
  ASSERT_TRUE(piped);
  EXPECT_FALSE((*piped)->terminal());
}

TEST_F(ExecutorTest, InputForAProgramThatNeverStartsIsDropped) {
  Start();
  const auto session = Begin("a", "native");
  ASSERT_TRUE(session);
  ASSERT_TRUE(UntilStarted(1));
  int taken = 0;
  (*session)->Write("early", [&] { ++taken; });
  backend_.End(1, Exit(1));
  ASSERT_TRUE(UntilFinished("a"));
  (*session)->Write("late", [&] { ++taken; });
  EXPECT_TRUE(Until([&] { return taken == 2; }));
}

TEST_F(ExecutorTest, AnInteractiveJobIsCancelledWithItsSession) {
  Start();
  auto session = Begin("a");
  ASSERT_TRUE(session);
  ASSERT_TRUE(UntilStarted(1));
  session->reset();
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(store_.outcomes["a"].status, Status::kCancelled);
}

TEST_F(ExecutorTest, SessionsAreBounded) {
  options_.sessions = 1;
  Start();
  const auto session = Begin("a");
  ASSERT_TRUE(session);
  const auto more = Begin("b");
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().kind, ErrorKind::kExhausted);
  ASSERT_TRUE(UntilStarted(1));
  backend_.End(1, Exit(0));
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_TRUE(Begin("b"));
}

TEST_F(ExecutorTest, AnInteractiveJobIsNotRunAgain) {
  Start();
  job::Job lost;
  lost.id = "lost";
  lost.attempts = 1;  // the lease makes it two
  lost.submission.language = "script";
  lost.submission.interactive = true;
  store_.Queue(lost);
  ASSERT_TRUE(UntilFinished("lost"));
  EXPECT_EQ(store_.outcomes["lost"].status, Status::kFailed);
  const auto session = Begin("a");
  ASSERT_TRUE(session);
  ASSERT_TRUE(UntilStarted(1));
  backend_.End(1, Broken());
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(store_.outcomes["a"].status, Status::kFailed);
  EXPECT_EQ(backend_.specs.size(), 1U);
}

TEST_F(ExecutorTest, AnInteractiveJobFailsAtTheEndOfTheService) {
  Start();
  const auto session = Begin("a");
  ASSERT_TRUE(session);
  ASSERT_TRUE(UntilStarted(1));
  bool drained = false;
  executor_->Stop(0, [&] { drained = true; });
  ASSERT_TRUE(Until([&] { return drained; }));
  EXPECT_EQ(store_.outcomes["a"].status, Status::kFailed);
  EXPECT_TRUE(store_.released.empty());
  const auto late = Begin("b");
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::kUnavailable);
}

TEST_F(ExecutorTest, HonoursTheTimeoutOfTheSubmission) {
  Start();
  job::Job job;
  job.id = "a";
  job.submission.language = "script";
  job.submission.timeout = 42;
  store_.Queue(job);
  ASSERT_TRUE(UntilStarted(1));
  EXPECT_EQ(backend_.specs[0].limits.wall_time, 42);
}

TEST_F(ExecutorTest, CompilesThenRunsTheBinary) {
  Start();
  Queue("a", "native");
  ASSERT_TRUE(UntilStarted(1));
  const sandbox::Spec compile = backend_.specs[0];
  EXPECT_EQ(compile.profile, sandbox::Profile::kCompile);
  EXPECT_EQ(compile.files[0].content, "code of a");
  EXPECT_EQ(compile.collect, std::vector<std::string>{"prog"});
  EXPECT_EQ(compile.stdin_data, "");
  EXPECT_EQ(compile.limits.wall_time, options_.compile_timeout);
  EXPECT_EQ(compile.limits.memory_bytes, 2LL << 30);
  EXPECT_EQ(compile.limits.processes, options_.compile_processes);
  sandbox::RunResult compiled = Compiled();
  compiled.stderr_data = "warning";
  const auto binary = compiled.collected[0].fd;
  backend_.End(1, compiled);
  ASSERT_TRUE(UntilStarted(2));
  const sandbox::Spec& run = backend_.specs[1];
  EXPECT_EQ(run.profile, sandbox::Profile::kRun);
  ASSERT_EQ(run.files.size(), 1U);
  EXPECT_EQ(run.files[0].path, "prog");
  EXPECT_TRUE(run.files[0].executable);
  EXPECT_EQ(run.files[0].fd, binary);
  EXPECT_EQ(run.limits.processes, 100);
  EXPECT_EQ(run.stdin_data, "stdin of a");
  backend_.End(2, Exit(5));
  ASSERT_TRUE(UntilFinished("a"));
  const job::Result& result = *store_.outcomes["a"].result;
  EXPECT_EQ(result.verdict, Verdict::kNonzeroExit);
  ASSERT_TRUE(result.compile);
  EXPECT_EQ(result.compile->stderr_data, "warning");
  EXPECT_EQ(result.compile->exit_code, 0);
}

TEST_F(ExecutorTest, ReportsACompileErrorWithoutRunning) {
  Start();
  Queue("a", "native");
  ASSERT_TRUE(UntilStarted(1));
  sandbox::RunResult failed = Exit(1);
  failed.stderr_data = "main.x:1: wrong";
  backend_.End(1, failed);
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(backend_.specs.size(), 1U);
  const job::Result& result = *store_.outcomes["a"].result;
  EXPECT_EQ(result.verdict, Verdict::kCompileError);
  EXPECT_EQ(result.message, "The program did not compile.");
  EXPECT_EQ(result.compile->stderr_data, "main.x:1: wrong");
  EXPECT_FALSE(result.exit_code);
}

TEST_F(ExecutorTest, TriesAgainWhenTheSandboxFails) {
  Start();
  Queue("a", "native");
  ASSERT_TRUE(UntilStarted(1));
  backend_.End(1, Compiled());
  ASSERT_TRUE(UntilStarted(2));
  backend_.End(2, Broken());
  ASSERT_TRUE(UntilStarted(3));
  EXPECT_EQ(backend_.specs[2].profile, sandbox::Profile::kCompile)
      << "it starts from the beginning";
  backend_.End(3, Compiled());
  ASSERT_TRUE(UntilStarted(4));
  backend_.End(4, Exit(0));
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(store_.outcomes["a"].result->verdict, Verdict::kOk);
}

TEST_F(ExecutorTest, FailsTheJobWhenTheSandboxKeepsFailing) {
  Start();
  Queue("a");
  for (size_t run = 1; run <= 3; ++run) {
    ASSERT_TRUE(UntilStarted(run));
    backend_.End(run, Broken());
  }
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(store_.outcomes["a"].status, Status::kFailed);
  EXPECT_EQ(store_.outcomes["a"].error, "The sandbox failed: mount: EPERM");
  EXPECT_FALSE(store_.outcomes["a"].result);
}

TEST_F(ExecutorTest, FailsJobsOfLanguagesThatItCannotRun) {
  Start();
  Queue("a", "cobol");
  Queue("b", "absent");
  ASSERT_TRUE(UntilFinished("a"));
  ASSERT_TRUE(UntilFinished("b"));
  EXPECT_EQ(store_.outcomes["a"].error, "The language 'cobol' is not known to this worker.");
  EXPECT_EQ(store_.outcomes["b"].status, Status::kFailed);
  EXPECT_TRUE(store_.outcomes["b"].error.find("none of its tools was found") != std::string::npos);
}

TEST_F(ExecutorTest, NeverRunsMoreThanItsSlots) {
  options_.slots = 2;
  for (const char* id : {"a", "b", "c", "d", "e"}) {
    Queue(id);
  }
  Start();
  size_t most = 0;
  ASSERT_TRUE(Until([&] {
    most = std::max(most, backend_.running.size());
    if (backend_.running.size() == 2 || backend_.specs.size() == 5) {
      backend_.End(backend_.running.empty() ? 0 : backend_.running.begin()->first, Exit(0));
    }
    return store_.outcomes.size() == 5;
  }));
  EXPECT_EQ(most, 2U);
  EXPECT_EQ(store_.most_asked, 2);
}

TEST_F(ExecutorTest, RenewsItsLeaseWhileItRuns) {
  options_.lease_time = 30 * base::kMillisecond;
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  ASSERT_TRUE(Until([&] { return store_.renewals >= 3; }));
  EXPECT_TRUE(backend_.cancelled.empty());
  backend_.End(1, Exit(0));
  ASSERT_TRUE(UntilFinished("a"));
}

TEST_F(ExecutorTest, KillsAndDropsAJobWhoseLeaseIsLost) {
  options_.lease_time = 30 * base::kMillisecond;
  store_.renew_answer = Error{ErrorKind::kConflict, "stale", 0};
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  ASSERT_TRUE(Until([&] { return executor_->running() == 0; }));
  EXPECT_EQ(backend_.cancelled.size(), 1U);
  EXPECT_EQ(store_.finish_calls, 0);
  EXPECT_TRUE(store_.released.empty());
}

TEST_F(ExecutorTest, KeepsRunningWhenARenewalFailsForNow) {
  options_.lease_time = 30 * base::kMillisecond;
  store_.renew_answer = Error{ErrorKind::kUnavailable, "disk", 0};
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  ASSERT_TRUE(Until([&] { return store_.renewals >= 2; }));
  EXPECT_TRUE(backend_.cancelled.empty());
}

TEST_F(ExecutorTest, StoresTheOutcomeOnceTheStoreIsBack) {
  store_.finish_errors = {{ErrorKind::kUnavailable, "disk", 0}, {ErrorKind::kInternal, "disk", 0}};
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  backend_.End(1, Exit(0));
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(store_.finish_calls, 3);
}

TEST_F(ExecutorTest, KeepsTryingToStoreAnOutcomeWhileTheStoreIsAway) {
  options_.lease_time = 100 * base::kMillisecond;
  for (int i = 0; i < 3; ++i) {
    store_.finish_errors.push_back({ErrorKind::kUnavailable, "away", 0});
  }
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  backend_.End(1, Exit(0));
  ASSERT_TRUE(UntilFinished("a")) << "the token decides, not the time";
  EXPECT_EQ(store_.finish_calls, 4);
}

TEST_F(ExecutorTest, GivesUpAnOutcomeThatIsNoLongerItsOwn) {
  store_.finish_errors = {{ErrorKind::kConflict, "stale", 0}};
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  backend_.End(1, Exit(0));
  ASSERT_TRUE(Until([&] { return store_.finish_calls == 1 && executor_->running() == 0; }));
  EXPECT_TRUE(store_.outcomes.empty());
}

TEST_F(ExecutorTest, Stop_WaitsForRunningJobsAndTakesNoMore) {
  Start();
  Queue("a");
  Queue("b");
  ASSERT_TRUE(UntilStarted(1));
  bool drained = false;
  executor_->Stop(base::kMinute, [&] { drained = true; });
  EXPECT_FALSE(drained);
  backend_.End(1, Exit(0));
  ASSERT_TRUE(Until([&] { return drained; }));
  EXPECT_EQ(store_.outcomes.size(), 1U);
  EXPECT_EQ(backend_.specs.size(), 1U);
}

TEST_F(ExecutorTest, Stop_KillsAndReleasesPastItsDeadline) {
  options_.slots = 2;
  Start();
  Queue("a");
  Queue("b", "native");
  ASSERT_TRUE(UntilStarted(2));
  bool drained = false;
  executor_->Stop(20 * base::kMillisecond, [&] { drained = true; });
  ASSERT_TRUE(Until([&] { return drained; }));
  EXPECT_EQ(store_.released, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(store_.outcomes.empty());
  EXPECT_EQ(executor_->running(), 0);
}

TEST_F(ExecutorTest, Stop_DoesNotWaitForeverForADeafSandbox) {
  backend_.deaf = true;
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  bool drained = false;
  executor_->Stop(0, [&] { drained = true; });
  ASSERT_TRUE(Until([&] { return drained; }));
  EXPECT_EQ(executor_->running(), 1);
}

TEST_F(ExecutorTest, Stop_ReleasesJobsThatArriveTooLate) {
  Start();
  Queue("a");
  ASSERT_TRUE(Until([&] { return store_.lease_calls == 1; }));
  bool drained = false;
  executor_->Stop(base::kMinute, [&] { drained = true; });
  ASSERT_TRUE(Until([&] { return drained; }));
  EXPECT_EQ(store_.released, std::vector<std::string>{"a"});
  EXPECT_TRUE(backend_.specs.empty());
}

TEST_F(ExecutorTest, Stop_OfAnIdleOneIsPromptButNotReentrant) {
  Start();
  bool drained = false;
  executor_->Stop(base::kMinute, [&] { drained = true; });
  EXPECT_FALSE(drained);
  ASSERT_TRUE(Until([&] { return drained; }));
}

TEST_F(ExecutorTest, DestructionKillsWhatRuns) {
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  executor_.reset();
  EXPECT_EQ(backend_.cancelled.size(), 1U);
  loop_.restart();
  loop_.run();
  EXPECT_EQ(store_.finish_calls, 0);
}

TEST_F(ExecutorTest, AClientsCancelKillsTheRun) {
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  store_.cancel_listener("a");
  store_.cancel_listener("a");
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(backend_.cancelled, std::vector<uint64_t>{1});
  EXPECT_EQ(store_.outcomes["a"].status, Status::kCancelled);
  EXPECT_FALSE(store_.outcomes["a"].result);
  EXPECT_GT(store_.outcomes["a"].finished_at, 0);
  EXPECT_TRUE(store_.released.empty());
}

TEST_F(ExecutorTest, AClientsCancelEndsTheCompiler) {
  Start();
  Queue("a", "native");
  ASSERT_TRUE(UntilStarted(1));
  store_.cancel_listener("a");
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(store_.outcomes["a"].status, Status::kCancelled);
  EXPECT_EQ(backend_.specs.size(), 1U);
}

TEST_F(ExecutorTest, AClientsCancelHitsThatJobAlone) {
  options_.slots = 2;
  Start();
  Queue("a");
  Queue("b");
  ASSERT_TRUE(UntilStarted(2));
  store_.cancel_listener("unknown");
  store_.cancel_listener("b");
  ASSERT_TRUE(Until([&] { return store_.outcomes.count("b") != 0; }));
  EXPECT_EQ(backend_.cancelled, std::vector<uint64_t>{2});
  backend_.End(1, Exit(0));
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(store_.outcomes["a"].status, Status::kCompleted);
}

TEST_F(ExecutorTest, ACancelThatComesTooLateLeavesTheOutcome) {
  store_.finish_errors.push_back({ErrorKind::kUnavailable, "disk", 0});
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  backend_.End(1, Exit(0, "out"));
  ASSERT_TRUE(Until([&] { return store_.finish_calls == 1; }));
  store_.cancel_listener("a");
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(store_.outcomes["a"].status, Status::kCompleted);
}

TEST_F(ExecutorTest, PublishesOutputBeforeTheOutcome) {
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  backend_.outputs[0](sandbox::Stream::kStdout, "one ");
  ASSERT_EQ(store_.published["a"].size(), 1U);
  EXPECT_EQ(store_.published["a"][0].data, "one ");
  EXPECT_EQ(store_.published["a"][0].run, 1U);
  backend_.outputs[0](sandbox::Stream::kStdout, "two");
  backend_.outputs[0](sandbox::Stream::kStderr, "bad");
  backend_.End(1, Exit(0, "one two"));
  size_t at_the_end = 0;
  ASSERT_TRUE(Until([&] {
    at_the_end = store_.published["a"].size();
    return store_.finish_calls == 1;
  }));
  EXPECT_EQ(at_the_end, 3U);
  EXPECT_EQ(store_.published["a"][1].offset, 4);
  EXPECT_EQ(store_.published["a"][1].data, "two");
  EXPECT_EQ(store_.published["a"][2].data, "bad");
}

TEST_F(ExecutorTest, PublishesWhatTheProgramUsesButNotTheCompiler) {
  Start();
  Queue("a", "native");
  ASSERT_TRUE(UntilStarted(1));
  EXPECT_TRUE(backend_.watched.empty());
  backend_.End(1, Compiled());
  ASSERT_TRUE(UntilStarted(2));
  sandbox::LiveUsage usage;
  usage.wall_time = 5;
  const auto tell = backend_.watched.at(2);
  tell(usage);
  ASSERT_EQ(store_.usages["a"].size(), 1U);
  EXPECT_EQ(store_.usages["a"][0].wall_time, 5);
  backend_.End(2, Exit(0));
  ASSERT_TRUE(UntilFinished("a"));
  tell(usage);
  EXPECT_EQ(store_.usages["a"].size(), 1U) << "after the outcome";
}

TEST_F(ExecutorTest, DoesNotPublishTheCompilersOutput) {
  Start();
  Queue("a", "native");
  ASSERT_TRUE(UntilStarted(1));
  EXPECT_FALSE(backend_.outputs[0]);
  backend_.End(1, Compiled());
  ASSERT_TRUE(UntilStarted(2));
  EXPECT_TRUE(backend_.outputs[1]);
}

TEST_F(ExecutorTest, ATryThatFailedIsNotToldTwice) {
  Start();
  Queue("a");
  ASSERT_TRUE(UntilStarted(1));
  backend_.outputs[0](sandbox::Stream::kStdout, "1234");
  backend_.End(1, Broken());
  ASSERT_TRUE(UntilStarted(2));
  backend_.outputs[1](sandbox::Stream::kStdout, "12");
  backend_.outputs[1](sandbox::Stream::kStdout, "3456");
  backend_.outputs[1](sandbox::Stream::kStderr, "x");
  backend_.End(2, Exit(0, "123456"));
  ASSERT_TRUE(UntilFinished("a"));
  std::string out;
  for (const job::OutputChunk& chunk : store_.published["a"]) {
    if (chunk.stream == sandbox::Stream::kStdout) {
      EXPECT_EQ(chunk.offset, static_cast<int64_t>(out.size()));
      out += chunk.data;
    }
  }
  EXPECT_EQ(out, "123456");
}

TEST_F(ExecutorTest, JudgesOnTestsInSpareSlots) {
  options_.slots = 3;
  Start();
  job::Job job;
  job.id = "a";
  job.submission.language = "native";
  job.submission.tests.resize(4);
  job.submission.tests[2].expected_output = "other";
  store_.Queue(job);
  ASSERT_TRUE(UntilStarted(1));
  EXPECT_EQ(backend_.specs[0].profile, sandbox::Profile::kCompile);
  backend_.End(1, Compiled());
  ASSERT_TRUE(UntilStarted(4)) << "three tests at once";
  EXPECT_EQ(backend_.running.size(), 3U);
  for (uint64_t run = 2; run <= 5; ++run) {
    ASSERT_TRUE(UntilStarted(run));
    backend_.End(run, Exit(0, "out"));
  }
  ASSERT_TRUE(UntilFinished("a"));
  const job::Result& result = *store_.outcomes["a"].result;
  EXPECT_EQ(result.verdict, Verdict::kWrongAnswer);
  ASSERT_EQ(result.tests.size(), 4U);
  EXPECT_EQ(result.tests[2].verdict, Verdict::kWrongAnswer);
  EXPECT_EQ(result.tests[3].verdict, Verdict::kOk);
  EXPECT_EQ(result.points, 3);
  EXPECT_TRUE(result.compile);
}

TEST_F(ExecutorTest, AWaitingJobGoesBeforeTests) {
  options_.slots = 2;
  Start();
  job::Job job;
  job.id = "a";
  job.submission.language = "script";
  job.submission.tests.resize(6);
  store_.Queue(job);
  ASSERT_TRUE(UntilStarted(2));
  Queue("b");
  backend_.End(1, Exit(0));
  ASSERT_TRUE(UntilStarted(3));
  ASSERT_TRUE(Until([&] {
    return std::any_of(backend_.specs.begin(), backend_.specs.end(),
                       [](const auto& spec) { return spec.stdin_data == "stdin of b"; });
  }));
  EXPECT_LE(backend_.running.size(), 2U);
  while (store_.outcomes.count("a") == 0 || store_.outcomes.count("b") == 0) {
    ASSERT_TRUE(Until([&] { return !backend_.running.empty() || store_.outcomes.size() == 2; }));
    EXPECT_LE(backend_.running.size(), 2U);
    if (!backend_.running.empty()) {
      backend_.End(backend_.running.begin()->first, Exit(0));
    }
    ASSERT_TRUE(Until([&] { return !backend_.running.empty() || store_.outcomes.size() == 2; }));
  }
  EXPECT_EQ(store_.outcomes["a"].result->tests.size(), 6U);
  EXPECT_EQ(store_.outcomes["b"].status, Status::kCompleted);
}

TEST_F(ExecutorTest, AClientsCancelEndsTheTests) {
  options_.slots = 2;
  Start();
  job::Job job;
  job.id = "a";
  job.submission.language = "script";
  job.submission.tests.resize(10);
  store_.Queue(job);
  ASSERT_TRUE(UntilStarted(2));
  store_.cancel_listener("a");
  ASSERT_TRUE(UntilFinished("a"));
  EXPECT_EQ(store_.outcomes["a"].status, Status::kCancelled);
  EXPECT_EQ(backend_.specs.size(), 2U);
}

TEST_F(ExecutorTest, DestructionKillsTests) {
  options_.slots = 2;
  Start();
  job::Job job;
  job.id = "a";
  job.submission.language = "script";
  job.submission.tests.resize(10);
  store_.Queue(job);
  ASSERT_TRUE(UntilStarted(2));
  executor_.reset();
  EXPECT_EQ(backend_.cancelled.size(), 2U);
  loop_.restart();
  loop_.run();
  EXPECT_EQ(backend_.specs.size(), 2U);
}

}  // namespace
}  // namespace executor
