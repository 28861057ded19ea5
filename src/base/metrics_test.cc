#include "base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace base {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricsTest, CountsPerLabel) {
  Counter counter("test_jobs_total", "Jobs.", {"language", "verdict"});
  counter.Add({"python", "ok"});
  counter.Add({"python", "ok"}, 2);
  counter.Add({"go", "ok"});
  const std::string text = MetricsText();
  EXPECT_THAT(text, HasSubstr("# HELP test_jobs_total Jobs.\n# TYPE test_jobs_total counter\n"));
  EXPECT_THAT(text, HasSubstr("test_jobs_total{language=\"python\",verdict=\"ok\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("test_jobs_total{language=\"go\",verdict=\"ok\"} 1\n"));
}

TEST(MetricsTest, GaugesAndHistogramsTellTheirValues) {
  Gauge gauge("test_queued", "Queued.");
  gauge.Set({}, 5);
  gauge.Set({}, 3);
  Histogram histogram("test_seconds", "Seconds.", {"step"}, {0.1, 1});
  histogram.Observe({"run"}, 0.05);
  histogram.Observe({"run"}, 5);
  const std::string text = MetricsText();
  EXPECT_THAT(text, HasSubstr("test_queued 3\n"));
  EXPECT_THAT(text, HasSubstr("test_seconds_bucket{step=\"run\",le=\"0.1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("test_seconds_bucket{step=\"run\",le=\"+Inf\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("test_seconds_sum{step=\"run\"} 5.05\n"));
}

TEST(MetricsTest, ManyValuesBecomeOther) {
  Counter counter("test_many_total", "Many.", {"value"});
  for (size_t i = 0; i < 2 * kMaxSeries; ++i) {
    counter.Add({std::to_string(i)});
  }
  counter.Add({"0"});
  const std::string text = MetricsText();
  EXPECT_THAT(text, HasSubstr("test_many_total{value=\"0\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("test_many_total{value=\"other\"} 501\n"));
  EXPECT_THAT(text, Not(HasSubstr("test_many_total{value=\"700\"}")));
}

}  // namespace
}  // namespace base
