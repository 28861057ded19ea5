#include "executor/metrics.h"

#include "base/metrics.h"

namespace executor {
namespace {

double Seconds(base::Nanos nanos) {
  return static_cast<double>(nanos) / static_cast<double>(base::kSecond);
}

}  // namespace

void CountFinished(std::string_view language, const job::Outcome& outcome) {
  static base::Counter finished("sandbox_jobs_finished_total",
                                "Jobs with an outcome: their verdict, or failed or cancelled.",
                                {"language", "outcome"});
  static base::Histogram step("sandbox_job_seconds",
                              "Time in the queue, until a sandbox ran, compiling, running.",
                              {"language", "step"}, base::TimeBounds());
  if (!outcome.result) {
    finished.Add({language, job::ToString(outcome.status)});
    return;
  }
  const job::Result& result = *outcome.result;
  finished.Add({language, job::ToString(result.verdict)});
  step.Observe({language, "queue"}, Seconds(result.queue_time));
  if (result.compile && !result.compile->cached) {
    step.Observe({language, "compile"}, Seconds(result.compile->usage.wall_time));
  }
  if (result.verdict != job::Verdict::kCompileError) {
    step.Observe({language, "start"}, Seconds(result.start_time));
    step.Observe({language, "run"}, Seconds(result.usage.wall_time));
  }
}

void CountCacheLookup(bool hit) {
  static base::Counter lookups("sandbox_compile_cache_lookups_total",
                               "Compiled programs looked for by content.", {"result"});
  lookups.Add({hit ? "hit" : "miss"});
}

}  // namespace executor
