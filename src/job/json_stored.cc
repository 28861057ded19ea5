// The stored forms of json.h.
#include <boost/json.hpp>
#include <exception>
#include <utility>

#include "base/text.h"
#include "job/json.h"
#include "job/json_writer.h"

namespace job {
namespace {

namespace json = boost::json;

// The stored form of a result or of its compile step.

void StoreUsage(const Usage& usage, JsonWriter* w) {
  w->Int("wall_time", usage.wall_time);
  w->Int("cpu_time", usage.cpu_time);
  w->Int("memory_peak", usage.memory_peak_bytes);
  w->Int("processes_peak", usage.processes_peak);
}

template <typename Step>
void StoreStep(const Step& step, JsonWriter* w) {
  w->StoredBytes("stdout", step.stdout_data);
  w->StoredBytes("stderr", step.stderr_data);
  w->Bool("stdout_truncated", step.stdout_truncated);
  w->Bool("stderr_truncated", step.stderr_truncated);
  if (step.exit_code) {
    w->Int("exit_code", *step.exit_code);
  }
  StoreUsage(step.usage, w);
}

// Reads members of a stored object. The first wrong or missing one makes `ok()` false.
class StoredReader {
 public:
  explicit StoredReader(const json::object& object) : object_(object) {}

  bool ok() const { return ok_; }

  int64_t Int(std::string_view key) {
    const json::value* value = Find(key);
    if (value == nullptr || !value->is_int64()) {
      ok_ = false;
      return 0;
    }
    return value->get_int64();
  }

  std::optional<int> OptionalInt(std::string_view key) {
    if (Find(key) == nullptr) {
      return std::nullopt;
    }
    return static_cast<int>(Int(key));
  }

  bool Bool(std::string_view key) {
    const json::value* value = Find(key);
    if (value == nullptr || !value->is_bool()) {
      ok_ = false;
      return false;
    }
    return value->get_bool();
  }

  std::string Bytes(std::string_view key) {
    const json::value* value = Find(key);
    if (value != nullptr && value->is_string()) {
      return Copy(value->get_string());
    }
    if (value != nullptr && value->is_object()) {
      const json::value* encoded = value->get_object().if_contains("base64");
      if (encoded != nullptr && encoded->is_string()) {
        if (auto bytes = base::Base64Decode(Copy(encoded->get_string()))) {
          return std::move(*bytes);
        }
      }
    }
    ok_ = false;
    return {};
  }

  const json::object* OptionalObject(std::string_view key) {
    const json::value* value = Find(key);
    if (value == nullptr) {
      return nullptr;
    }
    ok_ = ok_ && value->is_object();
    return value->if_object();
  }

 private:
  static std::string Copy(const json::string& text) { return {text.data(), text.size()}; }

  const json::value* Find(std::string_view key) const {
    return object_.if_contains(json::string_view(key.data(), key.size()));
  }

  const json::object& object_;
  bool ok_ = true;
};

template <typename Step>
void LoadStep(StoredReader* r, Step* step) {
  step->stdout_data = r->Bytes("stdout");
  step->stderr_data = r->Bytes("stderr");
  step->stdout_truncated = r->Bool("stdout_truncated");
  step->stderr_truncated = r->Bool("stderr_truncated");
  step->exit_code = r->OptionalInt("exit_code");
  step->usage.wall_time = r->Int("wall_time");
  step->usage.cpu_time = r->Int("cpu_time");
  step->usage.memory_peak_bytes = r->Int("memory_peak");
  step->usage.processes_peak = r->Int("processes_peak");
}

bool LoadResult(const json::object& object, Result* result) {
  StoredReader r(object);
  const auto verdict = ParseVerdict(r.Bytes("verdict"));
  if (!verdict) {
    return false;
  }
  result->verdict = *verdict;
  LoadStep(&r, result);
  result->signal = r.OptionalInt("signal");
  result->message = r.Bytes("message");
  result->queue_time = r.Int("queue_time");
  result->start_time = r.Int("start_time");
  if (const json::object* compile = r.OptionalObject("compile")) {
    StoredReader c(*compile);
    result->compile.emplace();
    LoadStep(&c, &*result->compile);
    result->compile->cached = c.Bool("cached");
    return r.ok() && c.ok();
  }
  return r.ok();
}

bool LoadSubmission(const json::object& object, Submission* submission) {
  StoredReader r(object);
  submission->language = r.Bytes("language");
  submission->code = r.Bytes("code");
  submission->stdin_data = r.Bytes("stdin");
  submission->timeout = r.Int("timeout");
  submission->priority = r.OptionalInt("priority").value_or(0);  // absent in older records
  return r.ok();
}

template <typename T>
base::Result<T> Decode(std::string_view stored, bool (*load)(const json::object&, T*),
                       const char* what) {
  try {
    boost::system::error_code ec;
    const json::value value = json::parse(json::string_view(stored.data(), stored.size()), ec);
    const json::object* object = ec ? nullptr : value.if_object();
    T out;
    if (object != nullptr && StoredReader(*object).Int("v") == 1 && load(*object, &out)) {
      return out;
    }
  } catch (const std::exception& e) {
    return base::Internal(std::string("cannot read a stored ") + what + ": " + e.what());
  }
  return base::Internal(std::string("a stored ") + what + " is damaged or of another version");
}

}  // namespace

std::string EncodeSubmission(const Submission& submission) {
  JsonWriter w;
  w.Int("v", 1);
  w.StoredBytes("language", submission.language);
  w.StoredBytes("code", submission.code);
  w.StoredBytes("stdin", submission.stdin_data);
  w.Int("timeout", submission.timeout);
  w.Int("priority", submission.priority);
  return w.Take();
}

base::Result<Submission> DecodeSubmission(std::string_view stored) {
  return Decode<Submission>(stored, LoadSubmission, "submission");
}

std::string EncodeResult(const Result& result) {
  JsonWriter w;
  w.Int("v", 1);
  w.String("verdict", ToString(result.verdict));
  StoreStep(result, &w);
  if (result.signal) {
    w.Int("signal", *result.signal);
  }
  w.StoredBytes("message", result.message);
  w.Int("queue_time", result.queue_time);
  w.Int("start_time", result.start_time);
  if (result.compile) {
    w.BeginObject("compile");
    StoreStep(*result.compile, &w);
    w.Bool("cached", result.compile->cached);
    w.EndObject();
  }
  return w.Take();
}

base::Result<Result> DecodeResult(std::string_view stored) {
  return Decode<Result>(stored, LoadResult, "result");
}

}  // namespace job
