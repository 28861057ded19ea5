// The bodies of POST /v1/execute and POST /v1/batch.
#include <algorithm>
#include <utility>

#include "base/text.h"
#include "job/archive.h"
#include "job/environment.h"
#include "job/json.h"
#include "job/json_reader.h"
#include "job/json_tree.h"
#include "job/paths.h"
#include "job/session.h"

namespace job {
namespace {

using Kind = JsonValue::Kind;

constexpr size_t kMaxLanguageChars = 64;
constexpr size_t kMaxFieldShown = 64;  // bytes of a client's name that are repeated

const std::vector<std::string_view>& SubmissionNames() {
  static const std::vector<std::string_view> kNames = {
      "language",      "code",    "files",   "entrypoint", "stdin",           "args",    "env",
      "compiler_args", "timeout", "limits",  "tests",      "stop_on_failure", "outputs", "webhook",
      "priority",      "wait",    "checker", "archive",    "interactor"};
  return kNames;
}

// REQUIRES: valid UTF-8.
bool IsLanguageName(std::string_view text) {
  size_t chars = 0;
  for (const char c : text) {
    chars += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  }
  return chars >= 1 && chars <= kMaxLanguageChars && !base::HasControlCharacters(text);
}

std::string Element(std::string_view list, size_t index, std::string_view member) {
  return std::string(list) + "[" + std::to_string(index) + "]." + std::string(member);
}

void CheckPath(std::string_view field, std::string_view path, FieldErrors* errors) {
  if (const auto problem = PathProblem(path)) {
    errors->Add(field, std::string(*problem));
  }
}

bool IsCheckerFile(std::string_view path) {
  const std::string_view first = path.substr(0, path.find('/'));
  return std::find(kCheckerFiles.begin(), kCheckerFiles.end(), first) != kCheckerFiles.end();
}

void ReadFiles(ObjectReader* top, FieldErrors* errors, Submission* out) {
  std::vector<JsonValue>* const files = top->Objects("files", kMaxFiles);
  for (size_t i = 0; files != nullptr && i < files->size(); ++i) {
    ObjectReader reader(&(*files)[i], Element(top->Full("files"), i, ""),
                        {"path", "content", "encoding"}, errors);
    for (const char* required : {"path", "content"}) {
      if (!reader.Has(required)) {
        reader.Fail(required, "is required: a string");
      }
    }
    SourceFile& file = out->files.emplace_back();
    if (auto path = reader.String("path")) {
      file.path = *std::move(path);
      CheckPath(reader.Full("path"), file.path, errors);
    }
    file.content = reader.String("content").value_or("");
    if (reader.Choice("encoding", {"utf8", "base64"}).value_or(0) == 1) {
      auto decoded = base::Base64Decode(file.content);
      if (!decoded) {
        reader.Fail("content", "must be base64 with the standard alphabet and padding");
      } else {
        file.content = *std::move(decoded);
      }
    }
  }
}

// `inflated`: how much the archives may still inflate to.
void ReadArchive(ObjectReader* top, FieldErrors* errors, size_t* inflated, Submission* out) {
  JsonValue* const archive = top->Object("archive");
  if (archive == nullptr) {
    return;
  }
  // In the order of ArchiveFormat.
  static const std::vector<std::string_view> kFormats = {"tar", "tar.gz", "zip"};
  ObjectReader reader(archive, top->Full("archive") + ".", {"content", "format"}, errors);
  if (top->Has("files")) {
    top->Fail("archive", "does not go with files");
    return;
  }
  if (!reader.Has("content")) {
    reader.Fail("content", "is required: base64");
  }
  if (!reader.Has("format")) {
    reader.Fail("format", "is required: tar, tar.gz or zip");
  }
  const auto content = reader.String("content");
  const auto format = reader.Choice("format", kFormats);
  if (!content || !format) {
    return;
  }
  const auto bytes = base::Base64Decode(*content);
  if (!bytes) {
    reader.Fail("content", "must be base64 with the standard alphabet and padding");
  } else if (auto problem = job::ReadArchive(static_cast<ArchiveFormat>(*format), *bytes, inflated,
                                             &out->files)) {
    reader.Fail("content", *std::move(problem));
  }
}

void ReadEnvironment(ObjectReader* top, FieldErrors* errors, Submission* out) {
  JsonValue* const env = top->Object("env");
  if (env == nullptr) {
    return;
  }
  if (env->children.size() > kMaxVariables) {
    top->Fail("env", "must have at most " + std::to_string(kMaxVariables) + " variables");
    return;
  }
  size_t bytes = 0;
  for (JsonValue& variable : env->children) {
    const std::string field = "env." + base::Printable(variable.key, kMaxFieldShown);
    if (const auto problem = VariableProblem(variable.key)) {
      errors->Add(field, std::string(*problem));
    } else if (variable.duplicate) {
      errors->Add(field, "is given more than once");
    } else if (variable.kind != Kind::kString || variable.text.find('\0') != std::string::npos) {
      errors->Add(field, "must be a string without NUL characters");
    }
    bytes += variable.key.size() + variable.text.size() + 2;
    out->env.emplace_back(std::move(variable.key), std::move(variable.text));
  }
  if (bytes > kMaxArgsBytes) {
    top->Fail("env", "must have at most " + std::to_string(kMaxArgsBytes) + " bytes together");
  }
}

std::string ReadTestName(ObjectReader* reader, const char* member) {
  std::string name = reader->String(member).value_or("");
  if (name.size() > kMaxTestName || base::HasControlCharacters(name)) {
    reader->Fail(member, "must be at most " + std::to_string(kMaxTestName) +
                             " bytes without control characters");
  }
  return name;
}

void ReadTests(ObjectReader* top, FieldErrors* errors, Submission* out) {
  // In the order of Checker.
  static const std::vector<std::string_view> kCheckers = {"lines", "exact", "tokens", "floats",
                                                          "unordered_lines"};
  std::vector<JsonValue>* const tests = top->Objects("tests", kMaxTests);
  for (size_t i = 0; tests != nullptr && i < tests->size(); ++i) {
    ObjectReader reader(
        &(*tests)[i], Element("tests", i, ""),
        {"name", "stdin", "args", "expected_output", "checker", "tolerance", "points", "group"},
        errors);
    TestCase& test = out->tests.emplace_back();
    test.name = ReadTestName(&reader, "name");
    test.stdin_data = reader.String("stdin");
    if (reader.Has("args")) {
      test.args = reader.Strings("args", kMaxArgs, kMaxArgsBytes);
    }
    test.expected_output = reader.String("expected_output");
    const size_t unnamed =
        static_cast<size_t>(out->checker != nullptr ? Checker::kProgram : Checker::kLines);
    test.checker = static_cast<Checker>(reader.Choice("checker", kCheckers).value_or(unnamed));
    test.tolerance = reader.Number("tolerance", 0, 1).value_or(kDefaultTolerance);
    if (reader.Has("tolerance") && test.checker != Checker::kFloats) {
      reader.Fail("tolerance", "goes with the checker floats only");
    }
    if (reader.Has("checker") && out->interacts) {
      reader.Fail("checker", "does not go with an interactor");
    } else if (reader.Has("checker") && !reader.Has("expected_output")) {
      reader.Fail("checker", "needs expected_output");
    }
    test.points = reader.Integer("points", 0, kMaxPoints).value_or(1);
    test.group = ReadTestName(&reader, "group");
  }
  out->stop_on_failure = top->Bool("stop_on_failure").value_or(false);
  if (top->Has("stop_on_failure") && !top->Has("tests")) {
    top->Fail("stop_on_failure", "needs tests");
  }
}

bool IsWebhookSecret(std::string_view text) {
  constexpr std::string_view kPrefix = "whsec_";
  return text.size() >= kMinWebhookSecret && text.size() <= kMaxWebhookSecret &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; }) &&
         (!text.starts_with(kPrefix) || base::Base64Decode(text.substr(kPrefix.size())));
}

void ReadWebhook(ObjectReader* top, FieldErrors* errors, Webhook* out) {
  JsonValue* const webhook = top->Object("webhook");
  if (webhook == nullptr) {
    return;
  }
  ObjectReader reader(webhook, "webhook.", {"url", "secret"}, errors);
  if (!reader.Has("url")) {
    reader.Fail("url", "is required: a string");
  }
  out->url = reader.String("url").value_or("");
  if (reader.Has("url") && out->url.empty()) {
    reader.Fail("url", "must not be empty");
  }
  if (auto secret = reader.String("secret")) {
    if (!IsWebhookSecret(*secret)) {
      reader.Fail("secret", "must be " + std::to_string(kMinWebhookSecret) + " to " +
                                std::to_string(kMaxWebhookSecret) +
                                " printable characters without spaces; after \"whsec_\", base64");
    }
    out->secret = *std::move(secret);
  }
}

TerminalSize ReadSize(ObjectReader* reader) {
  constexpr TerminalSize kUnnamed;
  const auto read = [&](const char* name, int unnamed) {
    return static_cast<int>(reader->Integer(name, 1, kMaxTerminalSide).value_or(unnamed));
  };
  return {read("rows", kUnnamed.rows), read("cols", kUnnamed.cols)};
}

void ReadOutputs(ObjectReader* top, FieldErrors* errors, Submission* out) {
  out->outputs = top->Strings("outputs", kMaxOutputs, kMaxArgsBytes);
  for (size_t i = 0; i < out->outputs.size(); ++i) {
    CheckPath("outputs[" + std::to_string(i) + "]", out->outputs[i], errors);
  }
  if (!out->outputs.empty() && !out->tests.empty()) {
    top->Fail("outputs", "does not go with tests");
  }
}

// A program: language, code, files or archive, entrypoint and the arguments of its compiler.
void ReadProgram(ObjectReader* reader, FieldErrors* errors, size_t* inflated, Submission* out) {
  if (!reader->Has("language")) {
    reader->Fail("language", "is required: a string");
  } else if (auto language = reader->String("language")) {
    if (!IsLanguageName(*language)) {
      reader->Fail("language", "must be 1 to " + std::to_string(kMaxLanguageChars) +
                                   " characters without control characters");
    }
    out->language = *std::move(language);
  }
  out->code = reader->String("code").value_or("");
  ReadFiles(reader, errors, out);
  ReadArchive(reader, errors, inflated, out);
  if (!reader->Has("code") && !reader->Has("files") && !reader->Has("archive")) {
    reader->Fail("code", "is required: a string; or files, or archive");
  }
  if (auto entrypoint = reader->String("entrypoint")) {
    CheckPath(reader->Full("entrypoint"), *entrypoint, errors);
    out->entrypoint = *std::move(entrypoint);
  }
  out->compiler_args = reader->Strings("compiler_args", kMaxCompilerArgs, kMaxArgsBytes);
}

// The program that decides on tests. `field` is "checker": on those that name no other; or
// "interactor".
void ReadChecker(const std::string& field, ObjectReader* top, FieldErrors* errors, size_t* inflated,
                 ParsedSubmission* out) {
  JsonValue* const value = top->Object(field);
  if (value == nullptr) {
    return;
  }
  const bool interacts = field == "interactor";
  ObjectReader reader(value, field + ".",
                      {interacts ? "idle_timeout" : "type", "language", "code", "files", "archive",
                       "entrypoint", "compiler_args"},
                      errors);
  if (interacts) {
    out->submission.idle_timeout =
        reader.Duration("idle_timeout", kMinIdleTimeout, ", at least 1s");
  } else if (!reader.Has("type")) {
    reader.Fail("type", "is required: a string");
  } else {
    reader.Choice("type", {"program"});
  }
  Submission program;
  ReadProgram(&reader, errors, inflated, &program);
  for (size_t i = 0; i < program.files.size(); ++i) {
    if (IsCheckerFile(program.files[i].path)) {
      errors->Add(Element(reader.Full("files"), i, "path"),
                  "must not be one of input, output and answer, which the " + field + " is given");
    }
  }
  if (IsCheckerFile(program.entrypoint)) {
    reader.Fail("entrypoint", "must not be one of input, output and answer");
  }
  if (!top->Has("tests")) {
    top->Fail(field, "needs tests");
  }
  if (interacts && top->Has("checker")) {
    top->Fail(field, "does not go with checker: its exit code is the answer");
  }
  out->checker_has_code = reader.Has("code");
  out->submission.checker = std::make_shared<const Submission>(std::move(program));
  out->submission.interacts = interacts;
}

void ReadTerminal(ObjectReader* top, FieldErrors* errors, Submission* out) {
  if (JsonValue* const value = top->Object("terminal")) {
    ObjectReader reader(value, "terminal.", {"rows", "cols"}, errors);
    out->terminal = ReadSize(&reader);
  }
}

// `value` is an object.
void ReadSubmission(JsonValue* value, const std::vector<std::string_view>& names, size_t* inflated,
                    ParsedSubmission* out, FieldErrors* errors) {
  Submission& s = out->submission;
  ObjectReader reader(value, "", names, errors);
  ReadProgram(&reader, errors, inflated, &s);
  out->has_code = reader.Has("code");
  ReadChecker("checker", &reader, errors, inflated, out);
  ReadChecker("interactor", &reader, errors, inflated, out);
  s.stdin_data = reader.String("stdin").value_or("");
  s.args = reader.Strings("args", kMaxArgs, kMaxArgsBytes);
  ReadEnvironment(&reader, errors, &s);
  s.timeout = reader.Duration("timeout", 1, ", greater than 0");
  ReadLimits(&reader, "limits", errors, &s.limits);
  ReadTests(&reader, errors, &s);
  ReadWebhook(&reader, errors, &s.webhook);
  ReadOutputs(&reader, errors, &s);
  ReadTerminal(&reader, errors, &s);
  s.priority = static_cast<int>(reader.Integer("priority", kMinPriority, kMaxPriority).value_or(0));
  out->wait = reader.Duration("wait", 0, "");
}

}  // namespace

bool ParseSubmission(std::string_view body, ParsedSubmission* out, ParseError* error) {
  *out = {};
  JsonValue root;
  if (!ParseObject(body, &root, error)) {
    return false;
  }
  FieldErrors errors;
  size_t inflated = kMaxInflatedBytes;
  ReadSubmission(&root, SubmissionNames(), &inflated, out, &errors);
  error->errors = errors.Take();
  return error->errors.empty();
}

bool ParseInteractive(std::string_view message, ParsedSubmission* out, ParseError* error) {
  *out = {};
  JsonValue root;
  if (!ParseObject(message, &root, error)) {
    return false;
  }
  // It is run at once and once, and its result comes by itself.
  std::vector<std::string_view> names = SubmissionNames();
  for (const std::string_view name :
       {"tests", "checker", "interactor", "stop_on_failure", "priority", "wait", "webhook"}) {
    std::erase(names, name);
  }
  names.emplace_back("terminal");
  FieldErrors errors;
  size_t inflated = kMaxInflatedBytes;
  ReadSubmission(&root, names, &inflated, out, &errors);
  out->submission.interactive = true;
  error->errors = errors.Take();
  return error->errors.empty();
}

bool ParseClientMessage(std::string_view message, ClientMessage* out, ParseError* error) {
  *out = {};
  JsonValue root;
  if (!ParseObject(message, &root, error)) {
    return false;
  }
  // In the order of ClientMessage::Type.
  static const std::vector<std::string_view> kTypes = {"stdin", "eof", "signal", "resize"};
  FieldErrors errors;
  ObjectReader reader(&root, "", {"type", "data", "encoding", "signal", "rows", "cols"}, &errors);
  const auto type = reader.Choice("type", kTypes);
  if (!reader.Has("type")) {
    reader.Fail("type", "is required: stdin, eof, signal or resize");
  }
  const auto only = [&](const char* name, ClientMessage::Type of, const char* what) {
    const bool wanted = type && static_cast<ClientMessage::Type>(*type) == of;
    if (wanted && !reader.Has(name) && std::string_view(name) != "encoding") {
      reader.Fail(name, std::string("is required: ") + what);
    } else if (type && !wanted && reader.Has(name)) {
      reader.Fail(
          name, "goes with the type " + std::string(kTypes.at(static_cast<size_t>(of))) + " only");
    }
  };
  only("data", ClientMessage::Type::kStdin, "a string");
  only("encoding", ClientMessage::Type::kStdin, "a string");
  only("signal", ClientMessage::Type::kSignal, "a string");
  only("rows", ClientMessage::Type::kResize, "an integer from 1 to 1000");
  only("cols", ClientMessage::Type::kResize, "an integer from 1 to 1000");
  out->type = static_cast<ClientMessage::Type>(type.value_or(0));
  out->data = reader.String("data").value_or("");
  if (reader.Choice("encoding", {"utf8", "base64"}).value_or(0) == 1) {
    auto decoded = base::Base64Decode(out->data);
    if (!decoded) {
      reader.Fail("data", "must be base64 with the standard alphabet and padding");
    } else {
      out->data = *std::move(decoded);
    }
  }
  out->size = ReadSize(&reader);
  if (const auto name = reader.String("signal")) {
    const auto signal = ParseSignal(*name);
    if (!signal) {
      reader.Fail("signal", "must be one of " + SignalNames());
    }
    out->signal = signal.value_or(0);
  }
  error->errors = errors.Take();
  return error->errors.empty();
}

bool ParseBatch(std::string_view body, ParsedBatch* out, ParseError* error) {
  *out = {};
  JsonValue root;
  if (!ParseObject(body, &root, error)) {
    return false;
  }
  FieldErrors errors;
  ObjectReader reader(&root, "", {"jobs", "wait"}, &errors);
  out->wait = reader.Duration("wait", 0, "");
  std::vector<JsonValue>* const jobs = reader.Objects("jobs", kMaxBatch);
  if (!reader.Has("jobs") || (jobs != nullptr && jobs->empty())) {
    reader.Fail("jobs", "is required: a list of 1 to " + std::to_string(kMaxBatch) + " jobs");
  }
  // One wait for all: each with its own would wait for the slowest anyway.
  std::vector<std::string_view> names = SubmissionNames();
  std::erase(names, "wait");
  size_t inflated = kMaxInflatedBytes;  // of all together
  for (size_t i = 0; jobs != nullptr && errors.empty() && i < jobs->size(); ++i) {
    BatchItem& item = out->jobs.emplace_back();
    FieldErrors of_item;
    ReadSubmission(&(*jobs)[i], names, &inflated, &item.parsed, &of_item);
    item.errors = of_item.Take();
  }
  error->errors = errors.Take();
  return error->errors.empty();
}

}  // namespace job
