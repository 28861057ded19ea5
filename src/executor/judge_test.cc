#include "executor/judge.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <string>

namespace executor {
namespace {

using job::Verdict;
using sandbox::Cause;

// Programs end when the test says so; what is cancelled ends by itself.
class FakeBackend : public sandbox::Backend, public sandbox::LiveInput {
 public:
  explicit FakeBackend(boost::asio::io_context& loop) : loop_(loop) {}

  RunId Start(sandbox::Spec spec, OnOutput, OnDone done) override {
    started.push_back(spec.stdin_data);
    running[started.size()] = std::move(done);
    return started.size();
  }

  void Cancel(RunId id) override {
    cancelled.push_back(started[id - 1]);
    End(id, Cause::kCancelled, "");
  }

  void WatchUsage(RunId id, OnUsage on_usage) override { watched[id] = std::move(on_usage); }

  std::string_view isolation() const override { return "fake"; }

  LiveInput& live_input() override { return *this; }

  void Write(uint64_t, std::string, std::function<void()>) override { FAIL(); }

  void CloseInput(uint64_t) override {}

  void Signal(uint64_t, int) override { FAIL(); }

  void End(RunId id, Cause cause, std::string output, int exit_code = 0) {
    const auto found = running.find(id);
    if (found == running.end()) {
      return;
    }
    sandbox::RunResult result;
    result.cause = cause;
    result.exit_code = exit_code;
    result.stdout_data = std::move(output);
    result.message = "mount";
    boost::asio::post(
        loop_, [done = std::move(found->second), result = std::move(result)] { done(result); });
    running.erase(found);
    watched.erase(id);
  }

  std::vector<std::string> started;  // the input of each run; ids are from 1
  std::vector<std::string> cancelled;
  std::map<RunId, OnDone> running;
  std::map<RunId, OnUsage> watched;

 private:
  boost::asio::io_context& loop_;
};

class FakeSpare : public SpareSlots {
 public:
  bool Take() override {
    if (free <= 0) {
      return false;
    }
    --free;
    return true;
  }

  void Return() override { ++free; }

  int free = 0;
};

class JudgeTest : public testing::Test {
 protected:
  JudgeTest() : backend_(loop_) {}

  // Tests with the inputs "0", "1", ... that expect the same as output.
  void Tests(size_t n) {
    for (size_t i = 0; i < n; ++i) {
      job::TestCase& test = submission_.tests.emplace_back();
      test.stdin_data = std::to_string(i);
      test.expected_output = std::to_string(i);
    }
  }

  void Start() {
    judge_ = std::make_shared<Judge>(
        loop_, backend_, &spare_, checkers_, submission_,
        [](const job::TestCase& test) {
          sandbox::Spec spec;
          spec.stdin_data = *test.stdin_data;
          return spec;
        },
        [](const job::TestCase& test, const std::string& output) {
          sandbox::Spec spec;
          spec.stdin_data = "check " + *test.stdin_data + " " + output;
          return spec;
        },
        [this](auto outcome) {
          done_ = true;
          outcome_ = std::move(outcome);
        });
    judge_->WatchUsage([this](const sandbox::LiveUsage& usage) { usages_.push_back(usage); });
    judge_->Start(timeout_);
  }

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

  // Ends the run of this input with that output.
  void Answer(const std::string& input, const std::string& output, Cause cause = Cause::kExited) {
    ASSERT_TRUE(Until([&] { return Find(input) != 0; })) << input;
    backend_.End(Find(input), cause, output);
  }

  // Ends the run of a checker.
  void Check(const std::string& input, int exit_code, Cause cause = Cause::kExited) {
    ASSERT_TRUE(Until([&] { return Find("check " + input) != 0; })) << input;
    backend_.End(Find("check " + input), cause, "comment", exit_code);
  }

  sandbox::Backend::RunId Find(const std::string& input) {
    for (const auto& [id, done] : backend_.running) {
      if (backend_.started[id - 1] == input) {
        return id;
      }
    }
    return 0;
  }

  std::vector<job::TestResult> Results() {
    EXPECT_TRUE(Until([&] { return done_; }));
    return outcome_ && *outcome_ ? **outcome_ : std::vector<job::TestResult>();
  }

  std::string Verdicts() {
    std::string out;
    for (const job::TestResult& result : Results()) {
      out += (out.empty() ? "" : " ") + std::string(job::ToDmoj(result.verdict));
    }
    return out;
  }

  boost::asio::io_context loop_;
  boost::asio::thread_pool checkers_{1};
  FakeBackend backend_;
  FakeSpare spare_;
  job::Submission submission_;
  std::shared_ptr<Judge> judge_;
  base::Nanos timeout_ = base::kHour;
  std::vector<sandbox::LiveUsage> usages_;
  bool done_ = false;
  std::optional<base::Result<std::vector<job::TestResult>>> outcome_;
};

TEST_F(JudgeTest, RunsOneAfterTheOtherInItsOwnSlot) {
  Tests(3);
  Start();
  for (const char* input : {"0", "1", "2"}) {
    EXPECT_EQ(backend_.running.size(), 1U);
    Answer(input, std::string(input) == "1" ? "x" : input);
    ASSERT_TRUE(Until([&] { return done_ || backend_.running.size() == 1; }));
  }
  EXPECT_EQ(Verdicts(), "AC WA AC");
  EXPECT_EQ(outcome_->value()[1].difference->actual, "x");
}

TEST_F(JudgeTest, EndsWhenTheTimeOfAllTestsIsUp) {
  Tests(5);
  spare_.free = 1;
  timeout_ = 200 * base::kMillisecond;
  Start();
  Answer("0", "0");
  ASSERT_TRUE(Until([&] { return backend_.started.size() == 3; }));
  EXPECT_EQ(Verdicts(), "AC TLE TLE SC SC");
  EXPECT_EQ(backend_.cancelled.size(), 2U);
  EXPECT_EQ(spare_.free, 1);
  for (size_t i = 1; i < 5; ++i) {
    EXPECT_EQ(outcome_->value()[i].message, "All tests together took longer than 200ms.");
  }
}

TEST_F(JudgeTest, AfterAFailureThatStopsItTheTimeIsUpForWhatComesBefore) {
  Tests(4);
  spare_.free = 1;
  submission_.stop_on_failure = true;
  timeout_ = 200 * base::kMillisecond;
  Start();
  Answer("1", "wrong");
  EXPECT_EQ(Verdicts(), "TLE WA SC SC");
  EXPECT_EQ(outcome_->value()[2].message, "An earlier test failed.");
}

TEST_F(JudgeTest, WithoutARunningTestTheFirstIsTheOneThatTookTooLong) {
  Tests(2);
  timeout_ = 100 * base::kMillisecond;  // less than the pause after a sandbox that failed
  Start();
  Answer("0", "", Cause::kInternal);
  EXPECT_EQ(Verdicts(), "TLE SC");
}

TEST_F(JudgeTest, TellsWhatTheTestsUseTogether) {
  Tests(2);
  spare_.free = 1;
  Start();
  ASSERT_EQ(backend_.watched.size(), 2U);
  // As measured again and again, until it is time to tell.
  ASSERT_TRUE(Until([&] {
    for (const auto& [id, tell] : backend_.watched) {
      tell({base::kSecond, 10, 100, 200, 3});
    }
    boost::asio::post(loop_, [] {});
    return !usages_.empty();
  }));
  EXPECT_EQ(usages_[0].memory_bytes, 200);
  EXPECT_EQ(usages_[0].processes, 6);
  EXPECT_EQ(usages_[0].memory_peak_bytes, 200);
  Answer("0", "0");
  Answer("1", "1");
  EXPECT_EQ(Verdicts(), "AC AC");
}

TEST_F(JudgeTest, UsesSpareSlotsAndGivesThemBack) {
  Tests(5);
  spare_.free = 2;
  Start();
  EXPECT_EQ(backend_.running.size(), 3U);
  EXPECT_EQ(spare_.free, 0);
  for (const char* input : {"2", "0", "1", "4", "3"}) {
    Answer(input, input);
  }
  EXPECT_EQ(Verdicts(), "AC AC AC AC AC") << "in the order of the tests";
  EXPECT_EQ(spare_.free, 2);
}

TEST_F(JudgeTest, KeepsItsOwnSlotWhenTheSpareOnesAreTaken) {
  Tests(4);
  spare_.free = 1;
  Start();
  EXPECT_EQ(backend_.running.size(), 2U);
  spare_.free = -1000;  // whatever comes back goes to somebody else
  Answer("0", "0");
  Answer("1", "1");
  ASSERT_TRUE(Until([&] { return Find("2") != 0; }));
  EXPECT_EQ(backend_.running.size(), 1U);
  Answer("2", "2");
  Answer("3", "3");
  EXPECT_EQ(Verdicts(), "AC AC AC AC");
}

TEST_F(JudgeTest, TakesASpareSlotWhenToldOfIt) {
  Tests(3);
  Start();
  EXPECT_EQ(backend_.running.size(), 1U);
  spare_.free = 1;
  judge_->OnSpareSlot();
  EXPECT_EQ(backend_.running.size(), 2U);
  for (const char* input : {"0", "1", "2"}) {
    Answer(input, input);
  }
  EXPECT_EQ(Verdicts(), "AC AC AC");
}

TEST_F(JudgeTest, StopsAtTheFirstFailureAsIfInOrder) {
  Tests(6);
  submission_.stop_on_failure = true;
  spare_.free = 3;
  Start();
  EXPECT_EQ(backend_.running.size(), 4U);
  Answer("3", "3");
  Answer("2", "wrong");
  ASSERT_TRUE(Until([&] { return backend_.running.size() == 2; }));  // 0 and 1
  Answer("0", "0");
  Answer("1", "1");
  EXPECT_EQ(Verdicts(), "AC AC WA SC SC SC");
  EXPECT_EQ(spare_.free, 3);
}

TEST_F(JudgeTest, AnEarlierFailureThatEndsLaterCounts) {
  Tests(3);
  submission_.stop_on_failure = true;
  spare_.free = 2;
  Start();
  Answer("1", "wrong");
  ASSERT_TRUE(Until([&] { return backend_.running.size() == 1; }));
  EXPECT_EQ(backend_.cancelled, std::vector<std::string>{"2"});
  Answer("0", "wrong");
  EXPECT_EQ(Verdicts(), "WA SC SC");
}

TEST_F(JudgeTest, TriesATestAgainWhoseSandboxFailed) {
  Tests(2);
  Start();
  Answer("0", "", Cause::kInternal);
  Answer("0", "0");
  Answer("1", "1");
  EXPECT_EQ(Verdicts(), "AC AC");
}

TEST_F(JudgeTest, GivesUpWhenTheSandboxKeepsFailing) {
  Tests(3);
  spare_.free = 1;
  Start();
  for (int i = 0; i < 3; ++i) {
    Answer("0", "", Cause::kInternal);
  }
  ASSERT_TRUE(Until([&] { return done_; }));
  ASSERT_TRUE(outcome_ && !*outcome_);
  EXPECT_EQ(outcome_->error().message, "mount");
  EXPECT_TRUE(backend_.running.empty());
  EXPECT_EQ(spare_.free, 1);
}

TEST_F(JudgeTest, CancelEndsWhatRuns) {
  Tests(5);
  spare_.free = 1;
  Start();
  judge_->Cancel();
  judge_->Cancel();
  ASSERT_TRUE(Until([&] { return done_; }));
  EXPECT_FALSE(outcome_);
  EXPECT_EQ(backend_.started.size(), 2U);
  EXPECT_EQ(spare_.free, 1);
}

TEST_F(JudgeTest, AbandonedSaysNothingMore) {
  Tests(2);
  spare_.free = 1;
  Start();
  judge_->Abandon();
  judge_.reset();
  loop_.restart();
  loop_.run();
  EXPECT_FALSE(done_);
  EXPECT_TRUE(backend_.running.empty());
}

TEST_F(JudgeTest, ComparesLongOutputsBesideTheLoop) {
  Tests(2);
  submission_.tests[0].expected_output = std::string(200'000, 'a') + "\nb";
  submission_.tests[1].expected_output = std::string(200'000, 'a') + "\nb";
  Start();
  Answer("0", std::string(200'000, 'a') + "\nb\n");
  Answer("1", std::string(200'000, 'a') + "\nc\n");
  EXPECT_EQ(Verdicts(), "AC WA");
  const job::TestResult& wrong = outcome_->value()[1];
  EXPECT_EQ(wrong.difference->line, 2);
  EXPECT_TRUE(wrong.stdout_truncated);
  EXPECT_LE(wrong.stdout_data.size(), 8192U);
}

TEST_F(JudgeTest, KeepsTheOutputOfTestsWithoutAnExpectedOne) {
  Tests(1);
  submission_.tests[0].expected_output.reset();
  Start();
  Answer("0", std::string(10'000, 'x'));
  EXPECT_EQ(Results().at(0).stdout_data.size(), 10'000U);
  EXPECT_EQ(Results().at(0).verdict, Verdict::kOk);
}

TEST_F(JudgeTest, ACheckerProgramDecidesInTheSlotOfItsTest) {
  Tests(5);
  for (job::TestCase& test : submission_.tests) {
    test.checker = job::Checker::kProgram;
  }
  Start();
  const int codes[] = {0, 1, 2, 3};
  for (int i = 0; i < 4; ++i) {
    const std::string input = std::to_string(i);
    Answer(input, "out");
    ASSERT_TRUE(Until([&] { return Find("check " + input + " out") != 0; }));
    EXPECT_EQ(backend_.running.size(), 1U);
    Check(input + " out", codes[i]);
  }
  Answer("4", "", Cause::kSignalled);  // there is nothing to check
  EXPECT_EQ(Verdicts(), "AC WA WA IE RTE");
  const auto& results = **outcome_;
  EXPECT_EQ(results[2].verdict, Verdict::kPresentationError);
  EXPECT_EQ(results[3].verdict, Verdict::kCheckerError);
  EXPECT_EQ(results[0].checker_output, "comment");
  EXPECT_EQ(results[0].stdout_data, "out");
  EXPECT_FALSE(results[4].checker_output);
}

TEST_F(JudgeTest, ACheckersSandboxThatFailsIsTriedAgainWithItsTest) {
  Tests(1);
  submission_.tests[0].checker = job::Checker::kProgram;
  Start();
  Answer("0", "out");
  Check("0 out", 0, Cause::kInternal);
  Answer("0", "out");
  Check("0 out", 0);
  EXPECT_EQ(Verdicts(), "AC");
}

TEST_F(JudgeTest, AnInteractorRunsBesideItsTestInOneSlot) {
  Tests(5);
  submission_.interacts = true;
  spare_.free = 1;
  Start();
  const int codes[] = {0, 1, 2, 3, 0};
  for (int i = 0; i < 5; ++i) {
    const std::string input = std::to_string(i);
    ASSERT_TRUE(Until([&] { return Find("check " + input + " ") != 0; }));
    EXPECT_LE(backend_.running.size(), 4U);
    Answer(input, "said", i == 4 ? Cause::kMemoryLimit : Cause::kExited);
    Check(input + " ", codes[i]);
  }
  EXPECT_EQ(Verdicts(), "AC WA WA IE MLE");
  const auto& results = **outcome_;
  EXPECT_EQ(results[0].stdout_data, "said");
  EXPECT_EQ(results[1].verdict, Verdict::kWrongAnswer);
  EXPECT_EQ(spare_.free, 1);
}

TEST_F(JudgeTest, AnInteractionWhoseSandboxFailedIsTriedAgain) {
  Tests(1);
  submission_.interacts = true;
  Start();
  Check("0 ", 0, Cause::kInternal);
  ASSERT_TRUE(Until([&] { return backend_.started.size() == 4; }));
  Answer("0", "");
  Check("0 ", 0);
  EXPECT_EQ(Verdicts(), "AC");
}

TEST_F(JudgeTest, AnInteractionEndsWithAnEarlierFailureAndWhenCancelled) {
  Tests(3);
  submission_.interacts = true;
  submission_.stop_on_failure = true;
  spare_.free = 1;
  Start();
  Check("0 ", 1);
  EXPECT_EQ(Verdicts(), "WA SC SC");
  EXPECT_TRUE(backend_.running.empty());
  done_ = false;
  Start();
  judge_->Cancel();
  ASSERT_TRUE(Until([&] { return done_; }));
  EXPECT_FALSE(outcome_);
  EXPECT_TRUE(backend_.running.empty());
  EXPECT_EQ(spare_.free, 1);
}

TEST_F(JudgeTest, CancelEndsACheckerToo) {
  Tests(1);
  submission_.tests[0].checker = job::Checker::kProgram;
  Start();
  Answer("0", "out");
  ASSERT_TRUE(Until([&] { return Find("check 0 out") != 0; }));
  judge_->Cancel();
  ASSERT_TRUE(Until([&] { return done_; }));
  EXPECT_FALSE(outcome_);
  EXPECT_EQ(backend_.cancelled, std::vector<std::string>{"check 0 out"});
}

}  // namespace
}  // namespace executor
