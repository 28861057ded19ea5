#include "executor/interaction.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "executor/verdict.h"

namespace executor {
namespace {

using job::Verdict;
using sandbox::Cause;
using sandbox::Stream;

// Programs say and take what the test has them say and take.
class FakeBackend : public sandbox::Backend, public sandbox::LiveInput {
 public:
  explicit FakeBackend(boost::asio::io_context& loop) : loop_(loop) {}

  RunId Start(sandbox::Spec spec, OnOutput on_output, OnDone on_done) override {
    EXPECT_TRUE(spec.live_input);
    const RunId id = spec.argv[0] == "program" ? kProgramId : kInteractorId;
    programs[id] = {std::move(on_output), std::move(on_done), {}, {}, {}, false, false};
    return id;
  }

  void Cancel(RunId id) override {
    programs[id].killed = true;
    End(id, Cause::kCancelled, 0);
  }

  void WatchUsage(RunId id, OnUsage on_usage) override {
    programs[id].on_usage = std::move(on_usage);
  }

  std::string_view isolation() const override { return "fake"; }

  LiveInput& live_input() override { return *this; }

  void Write(uint64_t run, std::string data, std::function<void()> done) override {
    programs[run].input.push_back(std::move(data));
    programs[run].taken.push_back(std::move(done));
  }

  void CloseInput(uint64_t run) override { programs[run].input_ended = true; }

  void Signal(uint64_t, int) override { FAIL(); }

  void End(RunId id, Cause cause, int exit_code, sandbox::Usage usage = {},
           const std::string& comment = "") {
    if (!programs[id].on_done) {
      return;
    }
    sandbox::RunResult result;
    result.cause = cause;
    result.exit_code = exit_code;
    result.usage = usage;
    result.stderr_data = comment;
    result.message = "mount";
    programs[id].on_output = nullptr;
    programs[id].on_usage = nullptr;
    boost::asio::post(loop_, [done = std::exchange(programs[id].on_done, nullptr),
                              result = std::move(result)] { done(result); });
  }

  // The program reads the first piece that is in its pipe.
  void TakeOne(RunId id) {
    const auto done = std::move(programs[id].taken.front());
    programs[id].taken.pop_front();
    done();
  }

  static constexpr RunId kProgramId = 1;
  static constexpr RunId kInteractorId = 2;

  struct Program {
    OnOutput on_output;
    OnDone on_done;
    OnUsage on_usage;
    std::vector<std::string> input;  // pieces
    std::deque<std::function<void()>> taken;
    bool input_ended = false;
    bool killed = false;
  };

  std::map<RunId, Program> programs;

 private:
  boost::asio::io_context& loop_;
};

constexpr auto kProgram = FakeBackend::kProgramId;
constexpr auto kInteractor = FakeBackend::kInteractorId;

class InteractionTest : public testing::Test {
 protected:
  InteractionTest() : backend_(loop_) { limits_.program.wall_time = 4 * base::kSecond; }

  void Start(base::Nanos idle_time = 0) {
    limits_.idle_time = idle_time;
    const auto spec = [](const char* name) {
      sandbox::Spec out;
      out.argv = {name};
      out.live_input = true;
      return out;
    };
    interaction_ = std::make_shared<Interaction>(
        loop_, backend_, idle_time,
        [this](sandbox::Backend::RunId run, const sandbox::LiveUsage&) { ++usages_[run]; },
        [this](InteractionResult result) {
          ASSERT_FALSE(result_);
          result_ = std::move(result);
        });
    interaction_->Start(spec("program"), spec("interactor"));
  }

  void Say(uint64_t id, const std::string& text, Stream stream = Stream::kStdout) {
    backend_.programs[id].on_output(stream, text);
  }

  // Both are heard of, but not measured.
  void Run() {
    for (const auto id : {kProgram, kInteractor}) {
      backend_.programs[id].on_usage({0, {}, {}, {}, {}});
    }
  }

  void End(uint64_t id, int exit_code, Cause cause = Cause::kExited, sandbox::Usage usage = {}) {
    backend_.End(id, cause, exit_code, usage, "comment");
    loop_.restart();
    loop_.poll();
  }

  const std::vector<std::string>& InputOf(uint64_t id) { return backend_.programs[id].input; }

  // Runs the loop until the interaction is over.
  InteractionResult Result() {
    loop_.restart();
    loop_.run_for(std::chrono::seconds(10));
    EXPECT_TRUE(result_);
    return result_.value_or(InteractionResult());
  }

  job::TestResult Judged() { return InteractionVerdict(Result(), limits_); }

  boost::asio::io_context loop_;
  FakeBackend backend_;
  InteractionLimits limits_;
  std::shared_ptr<Interaction> interaction_;
  std::optional<InteractionResult> result_;
  std::map<sandbox::Backend::RunId, int> usages_;  // how often they were told
};

TEST_F(InteractionTest, TellsEachWhatTheOtherSays) {
  Start();
  Say(kProgram, "? 1\n");
  Say(kInteractor, "higher\n");
  Say(kProgram, "debug", Stream::kStderr);
  EXPECT_EQ(InputOf(kInteractor), std::vector<std::string>{"? 1\n"});
  EXPECT_EQ(InputOf(kProgram), std::vector<std::string>{"higher\n"});
  End(kProgram, 0);
  EXPECT_TRUE(backend_.programs[kInteractor].input_ended);
  End(kInteractor, 0);
  const job::TestResult test = Judged();
  EXPECT_EQ(test.verdict, Verdict::kOk);
  EXPECT_EQ(test.checker_output, "comment");
}

TEST_F(InteractionTest, GathersWhatIsNotTaken) {
  Start();
  for (int i = 0; i < 1000; ++i) {
    Say(kProgram, "x");
  }
  EXPECT_EQ(InputOf(kInteractor), std::vector<std::string>{"x"});
  backend_.TakeOne(kInteractor);
  EXPECT_EQ(InputOf(kInteractor).back(), std::string(999, 'x'));
  Say(kProgram, "y");
  End(kProgram, 0);
  EXPECT_EQ(InputOf(kInteractor).back(), "y") << "before the end";
  EXPECT_TRUE(backend_.programs[kInteractor].input_ended);
  End(kInteractor, 0);
  EXPECT_EQ(Judged().verdict, Verdict::kOk);
}

TEST_F(InteractionTest, AComplaintEndsTheProgram) {
  const std::pair<int, Verdict> codes[] = {
      {1, Verdict::kWrongAnswer}, {2, Verdict::kPresentationError}, {3, Verdict::kCheckerError}};
  for (const auto& [code, verdict] : codes) {
    result_.reset();
    Start();
    End(kInteractor, code);
    EXPECT_TRUE(backend_.programs[kProgram].killed);
    EXPECT_EQ(Judged().verdict, verdict);
  }
}

TEST_F(InteractionTest, AnInteractorThatIsContentLeavesTheProgramTheLastWord) {
  const std::pair<int, Verdict> codes[] = {{0, Verdict::kOk}, {3, Verdict::kNonzeroExit}};
  for (const auto& [code, verdict] : codes) {
    result_.reset();
    Start();
    End(kInteractor, 0);
    EXPECT_TRUE(backend_.programs[kProgram].input_ended);
    EXPECT_FALSE(backend_.programs[kProgram].killed);
    Say(kProgram, "to nobody");
    EXPECT_TRUE(InputOf(kInteractor).empty());
    End(kProgram, code);
    EXPECT_EQ(Judged().verdict, verdict);
  }
}

TEST_F(InteractionTest, AProgramThatFailsDecidesAfterAWhile) {
  Start();
  End(kProgram, 11, Cause::kSignalled);
  EXPECT_FALSE(backend_.programs[kInteractor].killed);
  EXPECT_FALSE(backend_.programs[kInteractor].input_ended);
  EXPECT_EQ(Judged().verdict, Verdict::kSignalled);
  EXPECT_TRUE(backend_.programs[kInteractor].killed);
}

TEST_F(InteractionTest, AComplaintUntilThenGoesFirst) {
  const std::pair<int, Verdict> codes[] = {{1, Verdict::kWrongAnswer}, {0, Verdict::kNonzeroExit}};
  for (const auto& [code, verdict] : codes) {
    result_.reset();
    Start();
    End(kProgram, 1);
    End(kInteractor, code);
    ASSERT_TRUE(result_) << "at once";
    EXPECT_EQ(Judged().verdict, verdict);
  }
}

TEST_F(InteractionTest, ALimitOfTheProgramsDecidesAtOnce) {
  Start();
  End(kProgram, 0, Cause::kMemoryLimit);
  EXPECT_TRUE(backend_.programs[kInteractor].killed);
  EXPECT_EQ(Judged().verdict, Verdict::kMemoryLimit);
}

TEST_F(InteractionTest, ALimitOfTheInteractorsIsNotHeldAgainstTheProgram) {
  Start();
  End(kProgram, 0);
  End(kInteractor, 0, Cause::kOutputLimit);
  const job::TestResult test = Judged();
  EXPECT_EQ(test.verdict, Verdict::kCheckerError);
  EXPECT_EQ(test.message.find("The interactor exceeded its output limit"), 0U) << test.message;
}

TEST_F(InteractionTest, SilenceEndsBoth) {
  Start(50 * base::kMillisecond);
  Run();
  Say(kProgram, "?");
  const job::TestResult test = Judged();
  EXPECT_EQ(test.verdict, Verdict::kIdlenessLimit);
  EXPECT_TRUE(backend_.programs[kProgram].killed);
  EXPECT_TRUE(backend_.programs[kInteractor].killed);
  EXPECT_GE(result_->silence, 50 * base::kMillisecond);
}

TEST_F(InteractionTest, NobodyIsIdleBeforeBothRun) {
  Start(50 * base::kMillisecond);
  backend_.programs[kInteractor].on_usage({base::kSecond, {}, {}, {}, {}});
  loop_.restart();
  loop_.run_for(std::chrono::milliseconds(150));
  ASSERT_FALSE(backend_.programs[kInteractor].killed) << "the program's container is not there yet";
  backend_.programs[kProgram].on_usage({0, {}, {}, {}, {}});
  EXPECT_EQ(Judged().verdict, Verdict::kIdlenessLimit);
  EXPECT_LT(result_->silence, 150 * base::kMillisecond) << "counted from its start";
}

TEST_F(InteractionTest, WhoComputesIsNotIdle) {
  Start(500 * base::kMillisecond);
  const auto measured = [&](uint64_t id, base::Nanos wall, std::optional<base::Nanos> cpu) {
    backend_.programs[id].on_usage({wall * base::kMillisecond, cpu, {}, {}, {}});
  };
  for (int i = 1; i <= 10; ++i) {
    measured(kProgram, i * 100, i * 30 * base::kMillisecond);
    loop_.restart();
    loop_.run_for(std::chrono::milliseconds(100));
    ASSERT_FALSE(backend_.programs[kProgram].killed) << i;
  }
  measured(kProgram, 1100, 300 * base::kMillisecond + 1);  // it has stopped
  measured(kInteractor, 1100, std::nullopt);
  EXPECT_EQ(Judged().verdict, Verdict::kIdlenessLimit);
  EXPECT_LT(result_->silence, base::kSecond);
  EXPECT_EQ(usages_[kProgram], 11);
  EXPECT_EQ(usages_[kInteractor], 1);
}

TEST_F(InteractionTest, UnaskedNobodyIsIdleWhoIsNotMeasured) {
  Start();
  backend_.programs[kProgram].on_usage({base::kSecond, 0, {}, {}, {}});
  loop_.restart();
  loop_.run_for(std::chrono::nanoseconds(Interaction::kIdleTime + 100 * base::kMillisecond));
  EXPECT_FALSE(backend_.programs[kProgram].killed);
  End(kProgram, 0);
  End(kInteractor, 0);
  EXPECT_EQ(Judged().verdict, Verdict::kOk);
}

TEST_F(InteractionTest, UnaskedSilenceOfBothEndsThemWhereTheyAreMeasured) {
  Start();
  for (const auto id : {kProgram, kInteractor}) {
    backend_.programs[id].on_usage({base::kSecond, 0, {}, {}, {}});
  }
  EXPECT_EQ(Judged().verdict, Verdict::kIdlenessLimit);
  EXPECT_GE(result_->silence, Interaction::kIdleTime);
}

TEST_F(InteractionTest, ThereIsNoSilenceWhereOneHasEnded) {
  Start(30 * base::kMillisecond);
  End(kProgram, 0);
  loop_.restart();
  loop_.run_for(std::chrono::milliseconds(100));
  EXPECT_FALSE(backend_.programs[kInteractor].killed);
  End(kInteractor, 0);
  EXPECT_EQ(Judged().verdict, Verdict::kOk);
}

TEST_F(InteractionTest, WhoeverLetTheOtherWaitIsToBlameForTheTime) {
  const auto judged = [&](base::Nanos program, base::Nanos interactor, base::Nanos silence) {
    InteractionResult result;
    result.decider = InteractionResult::Decider::kProgram;
    result.program.cause = Cause::kWallTimeLimit;
    result.program.usage.cpu_time = program * base::kSecond;
    result.interactor.usage.cpu_time = interactor * base::kSecond;
    result.silence = silence * base::kSecond;
    return InteractionVerdict(std::move(result), limits_).verdict;
  };
  EXPECT_EQ(judged(3, 0, 4), Verdict::kTimeLimit);
  EXPECT_EQ(judged(3, 3, 0), Verdict::kTimeLimit);
  EXPECT_EQ(judged(0, 0, 0), Verdict::kTimeLimit) << "they talked too long";
  EXPECT_EQ(judged(0, 3, 4), Verdict::kCheckerError);
  EXPECT_EQ(judged(0, 0, 3), Verdict::kIdlenessLimit);
}

TEST_F(InteractionTest, ASandboxThatFailsIsNoOnesFault) {
  for (const auto failing : {kProgram, kInteractor}) {
    result_.reset();
    Start();
    End(failing, 0, Cause::kInternal);
    EXPECT_EQ(Result().failure, "mount");
    EXPECT_TRUE(backend_.programs[failing == kProgram ? kInteractor : kProgram].killed);
  }
  result_.reset();
  Start();
  End(kProgram, 0, Cause::kCancelled);
  EXPECT_NE(Result().failure, "");
}

TEST_F(InteractionTest, CancelKillsBoth) {
  Start(base::kSecond);
  interaction_->Cancel();
  interaction_->Cancel();
  EXPECT_FALSE(result_);
  Result();
  EXPECT_TRUE(backend_.programs[kProgram].killed);
  EXPECT_TRUE(backend_.programs[kInteractor].killed);
  std::weak_ptr<Interaction> weak = interaction_;
  interaction_.reset();
  EXPECT_TRUE(weak.expired());
}

}  // namespace
}  // namespace executor
