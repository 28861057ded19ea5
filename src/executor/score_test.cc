#include "executor/score.h"

#include <gtest/gtest.h>

namespace executor {
namespace {

using job::Verdict;

job::Submission WithTests(const std::vector<std::pair<std::string, int64_t>>& tests) {
  job::Submission submission;
  for (const auto& [group, points] : tests) {
    job::TestCase& test = submission.tests.emplace_back();
    test.group = group;
    test.points = points;
  }
  return submission;
}

std::vector<job::TestResult> With(const std::vector<Verdict>& verdicts) {
  std::vector<job::TestResult> results;
  for (const Verdict verdict : verdicts) {
    results.emplace_back().verdict = verdict;
    results.back().message = "It said so.";
  }
  return results;
}

TEST(Score, AddsUpPoints) {
  const job::Result result = Score(WithTests({{"", 3}, {"", 4}, {"", 0}}),
                                   With({Verdict::kOk, Verdict::kOk, Verdict::kOk}));
  EXPECT_EQ(result.verdict, Verdict::kOk);
  EXPECT_EQ(result.points, 7);
  EXPECT_EQ(result.max_points, 7);
  EXPECT_EQ(result.message, "All 3 tests passed.");
}

TEST(Score, GivesAGroupsPointsForAllOfItOnly) {
  const job::Result result =
      Score(WithTests({{"a", 1}, {"a", 2}, {"b", 4}, {"b", 8}, {"", 16}}),
            With({Verdict::kOk, Verdict::kTimeLimit, Verdict::kOk, Verdict::kOk, Verdict::kOk}));
  EXPECT_EQ(result.points, 4 + 8 + 16);
  EXPECT_EQ(result.max_points, 31);
  EXPECT_EQ(result.tests[0].points, 0);
  EXPECT_EQ(result.tests[0].group, "a");
  EXPECT_EQ(result.tests[3].points, 8);
}

TEST(Score, NamesTheFirstThatIsNotOk) {
  job::Submission submission = WithTests({{"", 1}, {"", 1}, {"", 1}});
  submission.tests[1].name = "large";
  const job::Result result =
      Score(submission, With({Verdict::kOk, Verdict::kMemoryLimit, Verdict::kSkipped}));
  EXPECT_EQ(result.verdict, Verdict::kMemoryLimit);
  EXPECT_EQ(result.message, "Test 2 (large): It said so.");
  EXPECT_EQ(result.tests[1].name, "large");
}

TEST(Score, HasTheLargestUsage) {
  std::vector<job::TestResult> results = With({Verdict::kOk, Verdict::kOk});
  results[0].usage = {5, 1, 100, 2};
  results[1].usage = {3, 4, 50, 3};
  const job::Usage usage = Score(WithTests({{"", 1}, {"", 1}}), std::move(results)).usage;
  EXPECT_EQ(usage.wall_time, 5);
  EXPECT_EQ(usage.cpu_time, 4);
  EXPECT_EQ(usage.memory_peak_bytes, 100);
  EXPECT_EQ(usage.processes_peak, 3);
}

}  // namespace
}  // namespace executor
