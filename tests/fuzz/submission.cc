// Bodies of POST /v1/execute, and messages of interactive clients. What is accepted survives the
// stored form byte by byte, and the public form of the job is JSON.

#include <boost/json/parse.hpp>

#include "base/text.h"
#include "fuzz.h"
#include "job/environment.h"
#include "job/json.h"
#include "job/paths.h"

FUZZ(submission, input) {
  job::ParsedBatch batch;
  job::ParseError wrong;
  if (job::ParseBatch(input, &batch, &wrong)) {
    MUST(!batch.jobs.empty() && batch.jobs.size() <= job::kMaxBatch && batch.wait >= 0);
  } else {
    MUST(!wrong.errors.empty());
  }
  job::ClientMessage message;
  if (job::ParseClientMessage(input, &message, &wrong)) {
    MUST((message.type == job::ClientMessage::Type::kSignal) == (message.signal != 0));
  } else {
    MUST(!wrong.errors.empty());
  }
  job::ParsedSubmission parsed;
  job::ParseError error;
  if (!job::ParseSubmission(input, &parsed, &error)) {
    MUST(!error.errors.empty());
    for (const job::FieldError& field : error.errors) {
      MUST(!field.message.empty() && base::IsValidUtf8(field.message));
      MUST(base::IsValidUtf8(field.field));
    }
    return;
  }
  const job::Submission& submission = parsed.submission;
  MUST(base::IsValidUtf8(submission.language) && base::IsValidUtf8(submission.code));
  MUST(submission.timeout >= 0 && parsed.wait >= 0);
  for (const job::SourceFile& file : submission.files) {
    MUST(!job::PathProblem(file.path));
  }
  for (const auto& [name, value] : submission.env) {
    MUST(!job::VariableProblem(name) && value.find('\0') == std::string::npos);
  }
  const auto stored = job::DecodeSubmission(job::EncodeSubmission(submission));
  MUST(stored);
  MUST(stored->language == submission.language && stored->code == submission.code &&
       stored->stdin_data == submission.stdin_data && stored->timeout == submission.timeout &&
       stored->entrypoint == submission.entrypoint && stored->args == submission.args &&
       stored->env == submission.env && stored->compiler_args == submission.compiler_args &&
       stored->files.size() == submission.files.size() &&
       stored->tests.size() == submission.tests.size());
  for (size_t i = 0; i < submission.tests.size(); ++i) {
    const job::TestCase& test = submission.tests[i];
    MUST(stored->tests[i].stdin_data == test.stdin_data && stored->tests[i].args == test.args &&
         stored->tests[i].expected_output == test.expected_output &&
         stored->tests[i].checker == test.checker && stored->tests[i].points == test.points);
  }
  for (size_t i = 0; i < submission.files.size(); ++i) {
    MUST(stored->files[i].path == submission.files[i].path &&
         stored->files[i].content == submission.files[i].content);
  }
  job::Job job;
  job.id = "fuzz";
  job.submission = submission;
  for (const std::string& text : {job::ToPublicJson(job), job::ToAcceptedJson(job)}) {
    boost::json::error_code bad;
    boost::json::parse(text, bad);
    MUST(!bad && base::IsValidUtf8(text));
  }
}
