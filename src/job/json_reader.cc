#include "job/json_reader.h"

#include <algorithm>
#include <limits>

#include "base/text.h"

namespace job {
namespace {

using Kind = JsonValue::Kind;

constexpr size_t kMaxErrors = 32;
constexpr size_t kMaxKeyShown = 64;  // bytes of an unknown key that are repeated

std::string Listed(const std::vector<std::string_view>& names, const char* last) {
  std::string out;
  for (size_t i = 0; i < names.size(); ++i) {
    out += i == 0 ? "" : i + 1 == names.size() ? last : ", ";
    out += names[i];
  }
  return out;
}

std::string Range(int64_t min, int64_t max) {
  return "must be an integer from " + std::to_string(min) + " to " + std::to_string(max);
}

}  // namespace

void FieldErrors::Add(std::string_view field, std::string message) {
  if (errors_.size() < kMaxErrors) {
    errors_.push_back({std::string(field), std::move(message)});
  }
}

ObjectReader::ObjectReader(JsonValue* object, std::string prefix,
                           const std::vector<std::string_view>& names, FieldErrors* errors)
    : object_(object), prefix_(std::move(prefix)), errors_(errors) {
  for (const JsonValue& member : object->children) {
    if (std::find(names.begin(), names.end(), member.key) == names.end()) {
      Fail(base::Printable(member.key, kMaxKeyShown),
           "is not known; accepted are " + Listed(names, " and "));
    } else if (member.duplicate) {
      Fail(member.key, "is given more than once");
    }
  }
}

void ObjectReader::Fail(std::string_view name, std::string message) {
  errors_->Add(Full(name), std::move(message));
}

JsonValue* ObjectReader::Find(std::string_view name) {
  for (JsonValue& member : object_->children) {
    if (member.key == name) {
      return &member;
    }
  }
  return nullptr;
}

bool ObjectReader::Has(std::string_view name) const {
  return std::any_of(object_->children.begin(), object_->children.end(),
                     [&](const JsonValue& member) { return member.key == name; });
}

JsonValue* ObjectReader::Find(std::string_view name, Kind kind, const char* accepted) {
  JsonValue* value = Find(name);
  if (value != nullptr && value->kind != kind) {
    Fail(name, accepted);
    return nullptr;
  }
  return value;
}

std::optional<std::string> ObjectReader::String(std::string_view name) {
  JsonValue* value = Find(name, Kind::kString, "must be a string");
  return value == nullptr ? std::nullopt : std::optional(std::move(value->text));
}

std::optional<int64_t> ObjectReader::Integer(std::string_view name, int64_t min, int64_t max) {
  const JsonValue* value = Find(name);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (value->kind != Kind::kInteger || value->integer < min || value->integer > max) {
    Fail(name, Range(min, max));
    return std::nullopt;
  }
  return value->integer;
}

std::optional<double> ObjectReader::Number(std::string_view name, double min, double max) {
  const JsonValue* value = Find(name);
  if (value == nullptr) {
    return std::nullopt;
  }
  const bool number = value->kind == Kind::kInteger || value->kind == Kind::kNumber;
  if (!number || !(value->number >= min && value->number <= max)) {
    std::string least = std::to_string(min);
    std::string most = std::to_string(max);
    for (std::string* text : {&least, &most}) {
      text->erase(text->find_last_not_of('0') + 1);
      text->erase(text->find_last_not_of('.') + 1);
    }
    Fail(name, "must be a number from " + least + " to " + most);
    return std::nullopt;
  }
  return value->number;
}

std::optional<bool> ObjectReader::Bool(std::string_view name) {
  const JsonValue* value = Find(name, Kind::kBool, "must be true or false");
  return value == nullptr ? std::nullopt : std::optional(value->boolean);
}

base::Nanos ObjectReader::Duration(std::string_view name, base::Nanos min, const char* range) {
  constexpr const char* kSyntax = "a duration such as \"500ms\", \"10s\" or \"1m30s\"";
  const JsonValue* value = Find(name);
  if (value == nullptr) {
    return 0;
  }
  if (value->kind != Kind::kString) {
    Fail(name, std::string("must be a string with ") + kSyntax);
    return 0;
  }
  const base::Result<base::Nanos> parsed = base::ParseDuration(value->text);
  if (!parsed || *parsed < min) {
    Fail(name, std::string("must be ") + kSyntax + range);
    return 0;
  }
  return *parsed;
}

std::optional<size_t> ObjectReader::Choice(std::string_view name,
                                           const std::vector<std::string_view>& names) {
  const JsonValue* value = Find(name);
  if (value == nullptr) {
    return std::nullopt;
  }
  const auto found = std::find(names.begin(), names.end(), value->text);
  if (value->kind != Kind::kString || found == names.end()) {
    Fail(name, "must be one of: " + Listed(names, ", "));
    return std::nullopt;
  }
  return static_cast<size_t>(found - names.begin());
}

JsonValue* ObjectReader::Array(std::string_view name, size_t max, const std::string& accepted) {
  JsonValue* value = Find(name, Kind::kArray, accepted.c_str());
  if (value != nullptr && value->children.size() > max) {
    Fail(name, "must have at most " + std::to_string(max) + " elements");
    return nullptr;
  }
  return value;
}

std::vector<std::string> ObjectReader::Strings(std::string_view name, size_t max,
                                               size_t max_bytes) {
  std::vector<std::string> out;
  JsonValue* array = Array(name, max, "must be a list of strings");
  if (array == nullptr) {
    return out;
  }
  size_t bytes = 0;
  for (JsonValue& element : array->children) {
    if (element.kind != Kind::kString || element.text.find('\0') != std::string::npos) {
      Fail(std::string(name) + "[" + std::to_string(out.size()) + "]",
           "must be a string without NUL characters");
    }
    bytes += element.text.size() + 1;
    out.push_back(std::move(element.text));
  }
  if (bytes > max_bytes) {
    Fail(name, "must have at most " + std::to_string(max_bytes) + " bytes together");
  }
  return out;
}

std::vector<JsonValue>* ObjectReader::Objects(std::string_view name, size_t max) {
  JsonValue* array = Array(name, max, "must be a list of objects");
  if (array == nullptr) {
    return nullptr;
  }
  for (size_t i = 0; i < array->children.size(); ++i) {
    if (array->children[i].kind != Kind::kObject) {
      Fail(std::string(name) + "[" + std::to_string(i) + "]", "must be an object");
      return nullptr;
    }
  }
  return &array->children;
}

JsonValue* ObjectReader::Object(std::string_view name) {
  return Find(name, Kind::kObject, "must be an object");
}

bool ParseObject(std::string_view body, JsonValue* root, ParseError* error) {
  *error = {};
  std::string why;
  const JsonError kind = ParseJson(body, root, &why);
  if (kind == JsonError::kNone && root->kind != Kind::kObject) {
    why = "the body must be a JSON object";
  }
  error->malformed = kind == JsonError::kMalformed;
  if (!why.empty()) {
    error->errors = {{"", std::move(why)}};
  }
  return error->errors.empty();
}

void ReadLimits(ObjectReader* top, std::string_view name, FieldErrors* errors, Limits* out) {
  constexpr int64_t kAnyNumber = std::numeric_limits<int64_t>::max();
  JsonValue* const limits = top->Object(name);
  if (limits == nullptr) {
    return;
  }
  ObjectReader reader(
      limits, top->Full(name) + ".",
      {"cpu_time", "memory_bytes", "processes", "output_bytes", "file_bytes", "open_files"},
      errors);
  out->cpu_time = reader.Duration("cpu_time", 1, ", greater than 0");
  out->memory_bytes = reader.Integer("memory_bytes", 1, kAnyNumber).value_or(0);
  out->processes = reader.Integer("processes", 1, kAnyNumber).value_or(0);
  out->output_bytes = reader.Integer("output_bytes", 1, kAnyNumber).value_or(0);
  out->file_bytes = reader.Integer("file_bytes", 1, kAnyNumber).value_or(0);
  out->open_files = reader.Integer("open_files", 1, kAnyNumber).value_or(0);
}

}  // namespace job
