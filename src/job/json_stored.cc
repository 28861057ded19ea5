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

// Lists that are empty are left out.
void StoreList(std::string_view key, const std::vector<std::string>& list, JsonWriter* w) {
  if (list.empty()) {
    return;
  }
  w->BeginArray(key);
  for (const std::string& element : list) {
    w->StoredElement(element);
  }
  w->EndArray();
}

// `store(element)` writes the members of one.
template <typename T, typename Store>
void StoreObjects(std::string_view key, const std::vector<T>& list, JsonWriter* w, Store store) {
  if (list.empty()) {
    return;
  }
  w->BeginArray(key);
  for (const T& element : list) {
    w->BeginElement();
    store(element);
    w->EndObject();
  }
  w->EndArray();
}

void StoreLimits(const Limits& limits, JsonWriter* w) {
  w->BeginObject("limits");
  w->Int("cpu_time", limits.cpu_time);
  w->Int("memory", limits.memory_bytes);
  w->Int("processes", limits.processes);
  w->Int("output", limits.output_bytes);
  w->Int("files", limits.file_bytes);
  w->Int("open_files", limits.open_files);
  w->EndObject();
}

// Reads members of a stored object. The first wrong or missing one makes `ok()` false.
class StoredReader {
 public:
  explicit StoredReader(const json::object& object) : object_(object) {}

  bool ok() const { return ok_; }

  void Fail() { ok_ = false; }

  int64_t Int(std::string_view key) {
    const json::value* value = Find(key);
    if (value == nullptr || !value->is_int64()) {
      ok_ = false;
      return 0;
    }
    return value->get_int64();
  }

  double Double(std::string_view key) {
    const json::value* value = Find(key);
    if (value == nullptr || !value->is_double()) {
      ok_ = false;
      return 0;
    }
    return value->get_double();
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

  std::string Bytes(std::string_view key) { return Bytes(Find(key)); }

  bool Has(std::string_view key) const { return Find(key) != nullptr; }

  // The following are absent in older records and where there is nothing to say.

  std::string OptionalBytes(std::string_view key) {
    return Find(key) == nullptr ? std::string() : Bytes(key);
  }

  std::optional<int64_t> OptionalInt64(std::string_view key) {
    return Find(key) == nullptr ? std::nullopt : std::optional<int64_t>(Int(key));
  }

  int64_t IntOrZero(std::string_view key) { return Find(key) == nullptr ? 0 : Int(key); }

  std::vector<std::string> OptionalList(std::string_view key) {
    std::vector<std::string> out;
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): an empty array ends where it begins
    for (const json::value& element : Elements(key)) {
      out.push_back(Bytes(&element));
    }
    return out;
  }

  // Calls `load(reader)` with a reader of each object in a list.
  template <typename Load>
  void OptionalObjects(std::string_view key, Load load) {
    for (const json::value& element : Elements(key)) {
      if (!element.is_object()) {
        ok_ = false;
        return;
      }
      StoredReader inner(element.get_object());
      load(inner);
      ok_ = ok_ && inner.ok_;
    }
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

  std::string Bytes(const json::value* value) {
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

  const json::array& Elements(std::string_view key) {
    static const json::array kNone;
    const json::value* value = Find(key);
    if (value == nullptr) {
      return kNone;
    }
    ok_ = ok_ && value->is_array();
    return value->is_array() ? value->get_array() : kNone;
  }

  const json::value* Find(std::string_view key) const {
    return object_.if_contains(json::string_view(key.data(), key.size()));
  }

  const json::object& object_;
  bool ok_ = true;
};

void StoreTest(const TestCase& test, JsonWriter* w) {
  w->StoredBytes("name", test.name);
  if (test.stdin_data) {
    w->StoredBytes("stdin", *test.stdin_data);
  }
  if (test.args) {
    w->BeginArray("args");
    for (const std::string& arg : *test.args) {
      w->StoredElement(arg);
    }
    w->EndArray();
  }
  if (test.expected_output) {
    w->StoredBytes("expected", *test.expected_output);
  }
  w->Int("checker", static_cast<int>(test.checker));
  w->Double("tolerance", test.tolerance);
  w->Int("points", test.points);
  w->StoredBytes("group", test.group);
}

void LoadTest(StoredReader* r, TestCase* test) {
  test->name = r->Bytes("name");
  if (r->Has("stdin")) {
    test->stdin_data = r->Bytes("stdin");
  }
  if (r->Has("args")) {
    test->args = r->OptionalList("args");
  }
  if (r->Has("expected")) {
    test->expected_output = r->Bytes("expected");
  }
  const int64_t checker = r->Int("checker");
  if (checker < 0 || checker > static_cast<int>(Checker::kProgram)) {
    r->Fail();
  } else {
    test->checker = static_cast<Checker>(checker);
  }
  test->tolerance = r->Double("tolerance");
  test->points = r->Int("points");
  test->group = r->Bytes("group");
}

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

void StoreTestResult(const TestResult& test, JsonWriter* w) {
  w->String("verdict", ToString(test.verdict));
  w->StoredBytes("name", test.name);
  w->StoredBytes("group", test.group);
  w->Int("points", test.points);
  StoreStep(test, w);
  if (test.signal) {
    w->Int("signal", *test.signal);
  }
  w->StoredBytes("message", test.message);
  w->Int("start_time", test.start_time);
  if (test.checker_output) {
    w->StoredBytes("checker_output", *test.checker_output);
  }
  if (test.stdin_data) {
    w->StoredBytes("stdin", *test.stdin_data);
    w->Bool("stdin_truncated", test.stdin_truncated);
  }
  if (test.difference) {
    w->BeginObject("difference");
    w->Int("line", test.difference->line);
    w->StoredBytes("expected", test.difference->expected);
    w->StoredBytes("actual", test.difference->actual);
    w->EndObject();
  }
}

void LoadTestResult(StoredReader* r, TestResult* test) {
  const auto verdict = ParseVerdict(r->Bytes("verdict"));
  if (!verdict) {
    return r->Fail();
  }
  test->verdict = *verdict;
  test->name = r->Bytes("name");
  test->group = r->Bytes("group");
  test->points = r->Int("points");
  LoadStep(r, test);
  test->signal = r->OptionalInt("signal");
  test->message = r->Bytes("message");
  test->start_time = r->Int("start_time");
  if (r->Has("checker_output")) {
    test->checker_output = r->Bytes("checker_output");
  }
  if (r->Has("stdin")) {
    test->stdin_data = r->Bytes("stdin");
    test->stdin_truncated = r->Bool("stdin_truncated");
  }
  if (const json::object* found = r->OptionalObject("difference")) {
    StoredReader d(*found);
    test->difference = {d.Int("line"), d.Bytes("expected"), d.Bytes("actual")};
    if (!d.ok()) {
      r->Fail();
    }
  }
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
  r.OptionalObjects(
      "tests", [&](StoredReader& test) { LoadTestResult(&test, &result->tests.emplace_back()); });
  result->points = r.IntOrZero("points");
  result->max_points = r.IntOrZero("max_points");
  r.OptionalObjects("files", [&](StoredReader& file) {
    result->files.push_back(
        {file.Bytes("path"), file.OptionalBytes("content"), file.OptionalBytes("error")});
  });
  result->files_truncated = r.IntOrZero("files_truncated") != 0;
  const auto load_compile = [&r](const char* key, std::optional<CompileResult>* out) {
    const json::object* const compile = r.OptionalObject(key);
    if (compile == nullptr) {
      return true;
    }
    StoredReader c(*compile);
    LoadStep(&c, &out->emplace());
    (*out)->cached = c.Bool("cached");
    return c.ok();
  };
  return load_compile("compile", &result->compile) &&
         load_compile("checker", &result->checker_compile) && r.ok();
}

bool LoadSubmission(const json::object& object, Submission* submission) {
  StoredReader r(object);
  submission->language = r.Bytes("language");
  submission->code = r.Bytes("code");
  submission->stdin_data = r.Bytes("stdin");
  submission->timeout = r.Int("timeout");
  submission->priority = static_cast<int>(r.IntOrZero("priority"));
  submission->entrypoint = r.OptionalBytes("entrypoint");
  r.OptionalObjects("files", [&](StoredReader& file) {
    submission->files.push_back({file.Bytes("path"), file.Bytes("content")});
  });
  submission->args = r.OptionalList("args");
  r.OptionalObjects("env", [&](StoredReader& variable) {
    submission->env.emplace_back(variable.Bytes("name"), variable.Bytes("value"));
  });
  submission->compiler_args = r.OptionalList("compiler_args");
  r.OptionalObjects(
      "tests", [&](StoredReader& test) { LoadTest(&test, &submission->tests.emplace_back()); });
  submission->stop_on_failure = r.IntOrZero("stop_on_failure") != 0;
  submission->request_hash = r.OptionalBytes("request_hash");
  submission->webhook = {r.OptionalBytes("webhook_url"), r.OptionalBytes("webhook_secret")};
  submission->outputs = r.OptionalList("outputs");
  submission->interactive = r.IntOrZero("interactive") != 0;
  if (r.Has("terminal_rows")) {
    submission->terminal = {static_cast<int>(r.Int("terminal_rows")),
                            static_cast<int>(r.Int("terminal_cols"))};
  }
  if (r.Has("checker")) {
    base::Result<Submission> checker = DecodeSubmission(r.Bytes("checker"));
    if (!checker) {
      return false;
    }
    submission->checker = std::make_shared<const Submission>(*std::move(checker));
    submission->interacts = r.IntOrZero("interacts") != 0;
    submission->idle_timeout = r.IntOrZero("idle_timeout");
  }
  if (const json::object* found = r.OptionalObject("limits")) {
    StoredReader limits(*found);
    submission->limits = {limits.Int("cpu_time"), limits.Int("memory"), limits.Int("processes"),
                          limits.Int("output"),   limits.Int("files"),  limits.Int("open_files")};
    return r.ok() && limits.ok();
  }
  return r.ok();
}

bool LoadLiveUsage(const json::object& object, sandbox::LiveUsage* usage) {
  StoredReader r(object);
  *usage = {r.Int("wall_time"), r.OptionalInt64("cpu_time"), r.OptionalInt64("memory"),
            r.OptionalInt64("memory_peak"), r.OptionalInt64("processes")};
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
  if (!submission.entrypoint.empty()) {
    w.StoredBytes("entrypoint", submission.entrypoint);
  }
  StoreObjects("files", submission.files, &w, [&](const SourceFile& file) {
    w.StoredBytes("path", file.path);
    w.StoredBytes("content", file.content);
  });
  StoreList("args", submission.args, &w);
  StoreObjects("env", submission.env, &w, [&](const auto& variable) {
    w.StoredBytes("name", variable.first);
    w.StoredBytes("value", variable.second);
  });
  StoreList("compiler_args", submission.compiler_args, &w);
  StoreLimits(submission.limits, &w);
  StoreObjects("tests", submission.tests, &w, [&](const TestCase& test) { StoreTest(test, &w); });
  w.Int("stop_on_failure", submission.stop_on_failure ? 1 : 0);
  if (!submission.webhook.url.empty()) {
    w.StoredBytes("webhook_url", submission.webhook.url);
    w.StoredBytes("webhook_secret", submission.webhook.secret);
  }
  if (!submission.request_hash.empty()) {
    w.StoredBytes("request_hash", submission.request_hash);
  }
  StoreList("outputs", submission.outputs, &w);
  if (submission.interactive) {
    w.Int("interactive", 1);
  }
  if (submission.terminal) {
    w.Int("terminal_rows", submission.terminal->rows);
    w.Int("terminal_cols", submission.terminal->cols);
  }
  if (submission.checker != nullptr) {
    w.StoredBytes("checker", EncodeSubmission(*submission.checker));
    w.Int("interacts", submission.interacts ? 1 : 0);
    w.Int("idle_timeout", submission.idle_timeout);
  }
  return w.Take();
}

base::Result<Submission> DecodeSubmission(std::string_view stored) {
  return Decode<Submission>(stored, LoadSubmission, "submission");
}

std::string EncodeLiveUsage(const sandbox::LiveUsage& usage) {
  JsonWriter w;
  const auto optional = [&w](std::string_view key, const std::optional<int64_t>& value) {
    if (value) {
      w.Int(key, *value);
    }
  };
  w.Int("v", 1);
  w.Int("wall_time", usage.wall_time);
  optional("cpu_time", usage.cpu_time);
  optional("memory", usage.memory_bytes);
  optional("memory_peak", usage.memory_peak_bytes);
  optional("processes", usage.processes);
  return w.Take();
}

base::Result<sandbox::LiveUsage> DecodeLiveUsage(std::string_view stored) {
  return Decode<sandbox::LiveUsage>(stored, LoadLiveUsage, "usage");
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
  const auto store_compile = [&w](const char* key, const std::optional<CompileResult>& compile) {
    if (compile) {
      w.BeginObject(key);
      StoreStep(*compile, &w);
      w.Bool("cached", compile->cached);
      w.EndObject();
    }
  };
  store_compile("compile", result.compile);
  store_compile("checker", result.checker_compile);
  StoreObjects("tests", result.tests, &w,
               [&](const TestResult& test) { StoreTestResult(test, &w); });
  if (!result.tests.empty()) {
    w.Int("points", result.points);
    w.Int("max_points", result.max_points);
  }
  StoreObjects("files", result.files, &w, [&](const OutputFile& file) {
    w.StoredBytes("path", file.path);
    w.StoredBytes(file.error.empty() ? "content" : "error",
                  file.error.empty() ? file.content : file.error);
  });
  w.Int("files_truncated", result.files_truncated ? 1 : 0);
  return w.Take();
}

base::Result<Result> DecodeResult(std::string_view stored) {
  return Decode<Result>(stored, LoadResult, "result");
}

}  // namespace job
