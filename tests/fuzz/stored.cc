// The forms in which stores keep submissions and results: read back whatever a disk may hold, and
// shown to clients whatever a program may have printed.

#include <boost/json/parse.hpp>

#include "base/text.h"
#include "fuzz.h"
#include "job/json.h"

namespace {

void Show(const job::Result& result) {
  job::Job job;
  job.id = "fuzz";
  job.status = job::Status::kCompleted;
  job.result = result;
  const std::string text = job::ToPublicJson(job);
  boost::json::error_code bad;
  boost::json::parse(text, bad);
  MUST(!bad && base::IsValidUtf8(text));
}

}  // namespace

FUZZ(stored, input) {
  if (const auto submission = job::DecodeSubmission(input)) {
    const auto again = job::DecodeSubmission(job::EncodeSubmission(*submission));
    MUST(again && again->code == submission->code && again->timeout == submission->timeout);
    MUST(again->files.size() == submission->files.size() && again->args == submission->args &&
         again->env == submission->env && again->compiler_args == submission->compiler_args &&
         again->limits.memory_bytes == submission->limits.memory_bytes &&
         again->tests.size() == submission->tests.size());
  }
  if (const auto result = job::DecodeResult(input)) {
    const auto again = job::DecodeResult(job::EncodeResult(*result));
    MUST(again && again->stdout_data == result->stdout_data && again->verdict == result->verdict &&
         again->exit_code == result->exit_code && again->message == result->message &&
         again->tests.size() == result->tests.size() &&
         again->files.size() == result->files.size());
    Show(*result);
  }
  if (const auto usage = job::DecodeLiveUsage(input)) {
    const auto again = job::DecodeLiveUsage(job::EncodeLiveUsage(*usage));
    MUST(again && job::ToUsageJson(*again) == job::ToUsageJson(*usage));
  }
  // Anything at all is what a program may print.
  job::Result result;
  result.verdict = job::Verdict::kOk;
  result.exit_code = 0;
  result.stdout_data = std::string(input.substr(0, input.size() / 2));
  result.stderr_data = std::string(input.substr(input.size() / 2));
  const auto again = job::DecodeResult(job::EncodeResult(result));
  MUST(again && again->stdout_data == result.stdout_data &&
       again->stderr_data == result.stderr_data);
  Show(result);
}
