#include "job/json.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <exception>
#include <limits>
#include <utility>

#include "base/text.h"
#include "base/time.h"
#include "job/json_writer.h"

namespace job {
namespace {

namespace json = boost::json;

constexpr size_t kMaxDepth = 64;
constexpr size_t kMaxLanguageChars = 64;
constexpr size_t kMaxErrors = 32;    // told to the client; more would only help a flood
constexpr size_t kMaxKeyShown = 64;  // bytes of an unknown key that are repeated
constexpr std::string_view kDuration = "a duration such as \"500ms\", \"10s\" or \"1m30s\"";

enum Member : size_t { kLanguage, kCode, kStdin, kTimeout, kWait, kPriority, kMembers };

constexpr std::array<std::string_view, kMembers> kMemberNames = {"language", "code", "stdin",
                                                                 "timeout",  "wait", "priority"};

std::string PriorityRange() {
  return "must be an integer from " + std::to_string(kMinPriority) + " to " +
         std::to_string(kMaxPriority);
}

// Takes the members of the outermost object out of the parser's events. No member is anything but a
// string or an integer, so no tree is built: a hostile body of millions of small values costs no
// memory.
struct SubmissionHandler {
  // NOLINTBEGIN(readability-identifier-naming): names that json::basic_parser asks for
  static constexpr size_t max_object_size = std::numeric_limits<size_t>::max();
  static constexpr size_t max_array_size = std::numeric_limits<size_t>::max();
  static constexpr size_t max_key_size = std::numeric_limits<size_t>::max();
  static constexpr size_t max_string_size = std::numeric_limits<size_t>::max();

  using error_code = boost::system::error_code;
  using string_view = json::string_view;
  // NOLINTEND(readability-identifier-naming)

  bool is_object = false;
  std::array<std::optional<std::string>, kMembers> members;
  std::optional<int64_t> priority;
  std::vector<FieldError> errors;

  bool seen(Member member) const { return seen_[member]; }

  void AddError(std::string_view field, std::string message) {
    if (errors.size() < kMaxErrors) {
      errors.push_back({std::string(field), std::move(message)});
    }
  }

  bool on_document_begin(error_code&) { return true; }

  bool on_document_end(error_code&) { return true; }

  bool on_object_begin(error_code&) {
    is_object = is_object || depth_ == 0;
    Other();
    ++depth_;
    return true;
  }

  bool on_object_end(size_t, error_code&) { return Close(); }

  bool on_array_begin(error_code&) {
    Other();
    ++depth_;
    return true;
  }

  bool on_array_end(size_t, error_code&) { return Close(); }

  bool on_key_part(string_view part, size_t, error_code&) {
    Append(part);
    return true;
  }

  bool on_key(string_view part, size_t, error_code&) {
    Append(part);
    if (depth_ == 1) {
      UseKey();
    }
    return true;
  }

  bool on_string_part(string_view part, size_t, error_code&) {
    Append(part);
    return true;
  }

  bool on_string(string_view part, size_t, error_code&) {
    Append(part);
    if (depth_ == 1 && current_ == kPriority) {
      WrongType();
    } else if (depth_ == 1 && current_ != kMembers) {
      members[current_] = std::exchange(text_, {});
    }
    text_.clear();
    return true;
  }

  bool on_number_part(string_view, error_code&) { return true; }

  bool on_int64(int64_t value, string_view, error_code&) {
    if (depth_ == 1 && current_ == kPriority) {
      priority = value;
      return true;
    }
    return Other();
  }

  bool on_uint64(uint64_t, string_view, error_code&) { return Other(); }

  bool on_double(double, string_view, error_code&) { return Other(); }

  bool on_bool(bool, error_code&) { return Other(); }

  bool on_null(error_code&) { return Other(); }

  bool on_comment_part(string_view, error_code&) { return true; }

  bool on_comment(string_view, error_code&) { return true; }

 private:
  void Append(string_view part) {
    if (depth_ == 1 && is_object) {
      text_.append(part.data(), part.size());
    }
  }

  bool Close() {
    --depth_;
    return true;
  }

  void UseKey() {
    const std::string key = std::exchange(text_, {});
    const auto* found = std::find(kMemberNames.begin(), kMemberNames.end(), key);
    current_ = static_cast<size_t>(found - kMemberNames.begin());
    if (current_ == kMembers) {
      AddError(base::Printable(key, kMaxKeyShown),
               "is not known; accepted are language, code, stdin, timeout, wait and priority");
    } else if (std::exchange(seen_[current_], true)) {
      AddError(key, "is given more than once");
      current_ = kMembers;
    }
  }

  // A value that no member takes.
  bool Other() {
    if (depth_ == 1 && is_object && current_ != kMembers) {
      WrongType();
    }
    return true;
  }

  void WrongType() {
    const bool duration = current_ == kTimeout || current_ == kWait;
    AddError(kMemberNames[current_], duration ? "must be a string with " + std::string(kDuration)
                                     : current_ == kPriority ? PriorityRange()
                                                             : "must be a string");
  }

  size_t depth_ = 0;
  size_t current_ = kMembers;
  std::array<bool, kMembers> seen_{};
  std::string text_;
};

// REQUIRES: valid UTF-8.
bool IsLanguageName(std::string_view text) {
  size_t chars = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool c1_control = c == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c < 0x20 || c == 0x7F || c1_control) {
      return false;
    }
    chars += (c & 0xC0) != 0x80 ? 1 : 0;
  }
  return chars >= 1 && chars <= kMaxLanguageChars;
}

void CheckMembers(SubmissionHandler* handler, ParsedSubmission* out) {
  for (const Member required : {kLanguage, kCode}) {
    if (!handler->seen(required)) {
      handler->AddError(kMemberNames[required], "is required: a string");
    }
  }
  auto& members = handler->members;
  if (members[kLanguage] && !IsLanguageName(*members[kLanguage])) {
    handler->AddError("language", "must be 1 to " + std::to_string(kMaxLanguageChars) +
                                      " characters without control characters");
  }
  const auto duration = [&](Member member, base::Nanos min, const char* range) {
    if (!members[member]) {
      return base::Nanos{0};
    }
    const base::Result<base::Nanos> parsed = base::ParseDuration(*members[member]);
    if (!parsed || *parsed < min) {
      handler->AddError(kMemberNames[member], "must be " + std::string(kDuration) + range);
      return base::Nanos{0};
    }
    return *parsed;
  };
  out->submission.timeout = duration(kTimeout, 1, ", greater than 0");
  out->wait = duration(kWait, 0, "");
  const int64_t priority = handler->priority.value_or(0);
  if (priority < kMinPriority || priority > kMaxPriority) {
    handler->AddError("priority", PriorityRange());
  } else {
    out->submission.priority = static_cast<int>(priority);
  }
  out->submission.language = std::move(members[kLanguage]).value_or("");
  out->submission.code = std::move(members[kCode]).value_or("");
  out->submission.stdin_data = std::move(members[kStdin]).value_or("");
}

std::string Malformed(const boost::system::error_code& ec, size_t offset) {
  if (ec == json::error::too_deep) {
    return "the body is nested deeper than " + std::to_string(kMaxDepth) + " levels";
  }
  std::string why = ec ? ec.message() : "unexpected end";
  return "the body is not JSON: " + why + " at offset " + std::to_string(offset);
}

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

void WriteResult(const Result& result, JsonWriter* w) {
  w->BeginObject("result");
  w->String("verdict", ToString(result.verdict));
  w->String("message", Sentence(result.message));
  WriteOutput(result, w);
  if (result.signal) {
    w->Int("signal", *result.signal);
  }
  if (result.compile) {
    w->BeginObject("compile");
    WriteOutput(*result.compile, w);
    WriteUsage(result.compile->usage, w);
    w->Bool("cached", result.compile->cached);
    w->EndObject();
  }
  WriteUsage(result.usage, w);
  w->Milliseconds("queue_time_ms", result.queue_time);
  w->Milliseconds("start_time_ms", result.start_time);
  w->EndObject();
}

}  // namespace

bool ParseSubmission(std::string_view body, ParsedSubmission* out, ParseError* error) {
  *out = {};
  *error = {};
  const auto fail = [&](bool malformed, std::string message) {
    error->malformed = malformed;
    error->errors = {{"", std::move(message)}};
    return false;
  };
  if (!base::IsValidUtf8(body)) {
    return fail(true, "the body is not valid UTF-8");
  }
  try {
    json::parse_options options;
    options.max_depth = kMaxDepth;
    json::basic_parser<SubmissionHandler> parser(options);
    boost::system::error_code ec;
    const size_t read = parser.write_some(false, body.data(), body.size(), ec);
    if (ec || read < body.size()) {
      return fail(true,
                  ec ? Malformed(ec, read)
                     : "the body has more after the JSON value, at offset " + std::to_string(read));
    }
    SubmissionHandler& handler = parser.handler();
    if (!handler.is_object) {
      return fail(false, "the body must be a JSON object");
    }
    CheckMembers(&handler, out);
    error->errors = std::move(handler.errors);
  } catch (const std::exception& e) {
    return fail(true, std::string("the body cannot be read: ") + e.what());
  }
  return error->errors.empty();
}

std::string ToPublicJson(const Job& job) {
  JsonWriter w;
  WriteMetadata(job, &w);
  if (job.result) {
    WriteResult(*job.result, &w);
  }
  return w.Take();
}

std::string ToSummaryJson(const Job& job) {
  JsonWriter w;
  WriteMetadata(job, &w);
  return w.Take();
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

std::string ToAcceptedJson(const Job& job) {
  JsonWriter w;
  w.String("id", Sentence(job.id));
  w.String("status", ToString(job.status));
  w.String("created_at", base::FormatRfc3339(job.created_at));
  return w.Take();
}

}  // namespace job
