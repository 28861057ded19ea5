#pragma once

#include <string>
#include <vector>

#include "job/job.h"

namespace executor {

// A test that was not run, and why.
job::TestResult NotRun(const job::TestCase& test, std::string why);

// What a job's tests add up to: the verdict and message of the first that is not ok, points, and
// the largest usage of a test. A test's points are given when it is ok; those of a group when all
// of its tests are. REQUIRES: as many results as the submission has tests.
job::Result Score(const job::Submission& submission, std::vector<job::TestResult> tests);

}  // namespace executor
