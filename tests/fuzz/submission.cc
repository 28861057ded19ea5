// Bodies of POST /v1/execute. What is accepted survives the stored form byte by byte, and the
// public form of the job is JSON.

#include <boost/json/parse.hpp>

#include "base/text.h"
#include "fuzz.h"
#include "job/json.h"

FUZZ(submission, input) {
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
  const auto stored = job::DecodeSubmission(job::EncodeSubmission(submission));
  MUST(stored);
  MUST(stored->language == submission.language && stored->code == submission.code &&
       stored->stdin_data == submission.stdin_data && stored->timeout == submission.timeout);
  job::Job job;
  job.id = "fuzz";
  job.submission = submission;
  for (const std::string& text : {job::ToPublicJson(job), job::ToAcceptedJson(job)}) {
    boost::json::error_code bad;
    boost::json::parse(text, bad);
    MUST(!bad && base::IsValidUtf8(text));
  }
}
