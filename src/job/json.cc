#include "job/json.h"

#include "base/text.h"
#include "base/time.h"
#include "job/json_writer.h"

namespace job {
namespace {

// Texts that are ours and should be UTF-8, but may carry bytes of a program or a file name.
std::string Sentence(const std::string& text) {
  return base::IsValidUtf8(text) ? text : base::Printable(text, text.size());
}

void WriteUsage(const Usage& usage, JsonWriter* w) {
  w->BeginObject("usage");
  w->Milliseconds("wall_time_ms", usage.wall_time);
  w->Milliseconds("cpu_time_ms", usage.cpu_time);
  w->Int("memory_peak_bytes", usage.memory_peak_bytes);
  w->Int("processes_peak", usage.processes_peak);
  w->EndObject();
}

void WriteLiveUsage(const sandbox::LiveUsage& usage, JsonWriter* w) {
  const auto number = [w](std::string_view key, const std::optional<int64_t>& value) {
    if (value) {
      w->Int(key, *value);
    }
  };
  w->Milliseconds("wall_time_ms", usage.wall_time);
  if (usage.cpu_time) {
    w->Milliseconds("cpu_time_ms", *usage.cpu_time);
  }
  number("memory_bytes", usage.memory_bytes);
  number("memory_peak_bytes", usage.memory_peak_bytes);
  number("processes", usage.processes);
}

// The members that a compile step and a run share, from `stdout` to `exit_code`.
template <typename Step>
void WriteOutput(const Step& step, JsonWriter* w) {
  w->PublicBytes("stdout", step.stdout_data);
  w->PublicBytes("stderr", step.stderr_data);
  w->Bool("stdout_truncated", step.stdout_truncated);
  w->Bool("stderr_truncated", step.stderr_truncated);
  if (step.exit_code) {
    w->Int("exit_code", *step.exit_code);
  }
}

void WriteMetadata(const Job& job, JsonWriter* w) {
  w->String("id", Sentence(job.id));
  w->String("language", Sentence(job.submission.language));
  w->String("status", ToString(job.status));
  w->Int("priority", job.submission.priority);
  w->String("created_at", base::FormatRfc3339(job.created_at));
  if (job.started_at != 0) {
    w->String("started_at", base::FormatRfc3339(job.started_at));
  }
  if (job.finished_at != 0) {
    w->String("finished_at", base::FormatRfc3339(job.finished_at));
  }
  w->Int("attempts", job.attempts);
  if (job.status == Status::kFailed) {
    w->String("error", Sentence(job.error));
  }
}

// As other judges have it.
void WriteVerdictCodes(Verdict verdict, JsonWriter* w) {
  w->BeginObject("verdict_codes");
  w->String("dmoj", ToDmoj(verdict));
  w->String("codeforces", ToCodeforces(verdict));
  w->EndObject();
}

void WriteTest(const TestResult& test, JsonWriter* w) {
  w->BeginElement();
  w->String("name", Sentence(test.name));
  if (!test.group.empty()) {
    w->String("group", Sentence(test.group));
  }
  w->String("verdict", ToString(test.verdict));
  WriteVerdictCodes(test.verdict, w);
  w->Int("points", test.points);
  w->String("message", Sentence(test.message));
  WriteOutput(test, w);
  if (test.stdin_data) {
    w->PublicBytes("stdin", *test.stdin_data);
    w->Bool("stdin_truncated", test.stdin_truncated);
  }
  if (test.signal) {
    w->Int("signal", *test.signal);
  }
  if (test.difference) {
    w->BeginObject("difference");
    w->Int("line", test.difference->line);
    w->PublicBytes("expected", test.difference->expected);
    w->PublicBytes("actual", test.difference->actual);
    w->EndObject();
  }
  if (test.checker_output) {
    w->PublicBytes("checker_output", *test.checker_output);
  }
  WriteUsage(test.usage, w);
  w->Milliseconds("start_time_ms", test.start_time);
  w->EndObject();
}

void WriteFile(const std::string& job_id, const OutputFile& file, JsonWriter* w) {
  w->BeginElement();
  w->String("path", Sentence(file.path));
  if (!file.error.empty()) {
    w->String("error", Sentence(file.error));
  } else {
    w->Int("size", static_cast<int64_t>(file.content.size()));
    w->String("url", "/v1/execute/" + job_id + "/files/" + base::PercentEncode(file.path));
    if (file.content.size() <= kMaxInlineFile) {
      w->PublicBytes("content", file.content);
    }
  }
  w->EndObject();
}

void WriteFiles(const Job& job, JsonWriter* w) {
  if (job.result->files.empty()) {
    return;
  }
  w->BeginArray("files");
  for (const OutputFile& file : job.result->files) {
    WriteFile(job.id, file, w);
  }
  w->EndArray();
}

void WriteResult(const Job& job, JsonWriter* w) {
  const Result& result = *job.result;
  w->BeginObject("result");
  w->String("verdict", ToString(result.verdict));
  if (!result.tests.empty()) {
    WriteVerdictCodes(result.verdict, w);
    w->Int("points", result.points);
    w->Int("max_points", result.max_points);
  }
  w->String("message", Sentence(result.message));
  WriteOutput(result, w);
  if (result.signal) {
    w->Int("signal", *result.signal);
  }
  const auto write_compile = [w](const char* key, const std::optional<CompileResult>& compile) {
    if (compile) {
      w->BeginObject(key);
      WriteOutput(*compile, w);
      WriteUsage(compile->usage, w);
      w->Bool("cached", compile->cached);
      w->EndObject();
    }
  };
  write_compile("compile", result.compile);
  write_compile("checker", result.checker_compile);
  WriteUsage(result.usage, w);
  w->Milliseconds("queue_time_ms", result.queue_time);
  w->Milliseconds("start_time_ms", result.start_time);
  if (!result.tests.empty()) {
    w->BeginArray("tests");
    for (const TestResult& test : result.tests) {
      WriteTest(test, w);
    }
    w->EndArray();
  }
  WriteFiles(job, w);
  if (result.files_truncated) {
    w->Bool("files_truncated", true);
  }
  w->EndObject();
}

}  // namespace

std::string ToPublicJson(const Job& job) {
  JsonWriter w;
  WriteMetadata(job, &w);
  if (job.usage) {
    w.BeginObject("usage");
    WriteLiveUsage(*job.usage, &w);
    w.EndObject();
  }
  if (job.result) {
    WriteResult(job, &w);
  }
  return w.Take();
}

std::string ToSummaryJson(const Job& job) {
  JsonWriter w;
  WriteMetadata(job, &w);
  return w.Take();
}

std::string ToWebhookJson(const Job& job, bool with_result) {
  JsonWriter w;
  w.String("type", "job.finished");
  w.String("timestamp", base::FormatRfc3339(job.finished_at));
  std::string out = w.Take();
  out.pop_back();
  return out + R"(,"data":)" + (with_result ? ToPublicJson(job) : ToSummaryJson(job)) + "}";
}

std::string ToListJson(const std::vector<Job>& jobs, const std::string& next_cursor) {
  std::string out = R"({"jobs":[)";
  for (const Job& job : jobs) {
    out += (&job == &jobs.front() ? "" : ",") + ToSummaryJson(job);
  }
  out += "],";
  if (next_cursor.empty()) {
    return out + R"("next_cursor":null})";
  }
  JsonWriter w;
  w.String("next_cursor", Sentence(next_cursor));
  return out + w.Take().substr(1);
}

std::string ToOutputJson(int64_t offset, std::string_view bytes, int64_t lost) {
  const bool utf8 = base::IsValidUtf8(bytes);
  JsonWriter w;
  w.Int("offset", offset);
  if (lost > 0) {
    w.Int("gap", lost);
  }
  w.String("encoding", utf8 ? "utf8" : "base64");
  w.String("data", utf8 ? std::string(bytes) : base::Base64Encode(bytes));
  return w.Take();
}

std::string ToUsageJson(const sandbox::LiveUsage& usage) {
  JsonWriter w;
  WriteLiveUsage(usage, &w);
  return w.Take();
}

std::string ToSessionMessage(std::string_view type, std::string_view data) {
  return R"({"type":")" + std::string(type) + R"(","data":)" + std::string(data) + "}";
}

std::string ToAcceptedJson(const Job& job) {
  JsonWriter w;
  w.String("id", Sentence(job.id));
  w.String("status", ToString(job.status));
  w.String("created_at", base::FormatRfc3339(job.created_at));
  return w.Take();
}

}  // namespace job
