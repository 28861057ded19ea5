#include "executor/score.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace executor {
namespace {

void Enlarge(const job::Usage& usage, job::Usage* most) {
  most->wall_time = std::max(most->wall_time, usage.wall_time);
  most->cpu_time = std::max(most->cpu_time, usage.cpu_time);
  most->memory_peak_bytes = std::max(most->memory_peak_bytes, usage.memory_peak_bytes);
  most->processes_peak = std::max(most->processes_peak, usage.processes_peak);
}

}  // namespace

job::TestResult NotRun(const job::TestCase& test, std::string why) {
  job::TestResult result;
  result.verdict = job::Verdict::kSkipped;
  result.name = test.name;
  result.group = test.group;
  result.message = std::move(why);
  return result;
}

job::Result Score(const job::Submission& submission, std::vector<job::TestResult> tests) {
  job::Result result;
  result.verdict = job::Verdict::kOk;
  std::set<std::string> failed_groups;
  size_t passed = 0;
  for (size_t i = 0; i < tests.size(); ++i) {
    const job::TestCase& test = submission.tests[i];
    job::TestResult& of_test = tests[i];
    of_test.name = test.name;
    of_test.group = test.group;
    Enlarge(of_test.usage, &result.usage);
    const bool ok = of_test.verdict == job::Verdict::kOk;
    passed += ok ? 1 : 0;
    if (!ok && !test.group.empty()) {
      failed_groups.insert(test.group);
    }
    if (!ok && result.verdict == job::Verdict::kOk) {
      result.verdict = of_test.verdict;
      result.message = "Test " + std::to_string(i + 1) +
                       (test.name.empty() ? "" : " (" + test.name + ")") + ": " + of_test.message;
    }
  }
  if (result.verdict == job::Verdict::kOk) {
    result.message =
        passed == 1 ? "The test passed." : "All " + std::to_string(passed) + " tests passed.";
  }
  for (size_t i = 0; i < tests.size(); ++i) {
    const job::TestCase& test = submission.tests[i];
    const bool earned = tests[i].verdict == job::Verdict::kOk &&
                        (test.group.empty() || failed_groups.count(test.group) == 0);
    tests[i].points = earned ? test.points : 0;
    result.points += tests[i].points;
    result.max_points += test.points;
  }
  result.tests = std::move(tests);
  return result;
}

}  // namespace executor
