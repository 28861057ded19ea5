#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "job/json.h"
#include "job/json_tree.h"

namespace job {

// What is wrong with a body, bounded: more would only help a flood.
class FieldErrors {
 public:
  void Add(std::string_view field, std::string message);

  bool empty() const { return errors_.empty(); }

  std::vector<FieldError> Take() { return std::move(errors_); }

 private:
  std::vector<FieldError> errors_;
};

// Takes the members out of an object of a request's body. Every member that is unknown, given more
// than once or of the wrong type becomes an error that names it and says what is accepted; what is
// then returned is as if it were absent. Not thread-safe.
class ObjectReader {
 public:
  // `prefix` is what goes before the names of members in errors: "", "limits.", "files[2].". The
  // object must be one, and outlive the reader, as `errors` must.
  ObjectReader(JsonValue* object, std::string prefix, const std::vector<std::string_view>& names,
               FieldErrors* errors);

  bool Has(std::string_view name) const;

  std::optional<std::string> String(std::string_view name);
  std::optional<int64_t> Integer(std::string_view name, int64_t min, int64_t max);
  std::optional<double> Number(std::string_view name, double min, double max);
  std::optional<bool> Bool(std::string_view name);
  // `range` ends the message: ", greater than 0".
  base::Nanos Duration(std::string_view name, base::Nanos min, const char* range);
  // One of `names`: its index.
  std::optional<size_t> Choice(std::string_view name, const std::vector<std::string_view>& names);

  // A list of up to `max` strings of up to `max_bytes` together, without NUL characters.
  std::vector<std::string> Strings(std::string_view name, size_t max, size_t max_bytes);

  // The elements of a list of up to `max` objects; null when it is absent or wrong.
  std::vector<JsonValue>* Objects(std::string_view name, size_t max);

  // A member that is an object; null when it is absent or wrong.
  JsonValue* Object(std::string_view name);

  void Fail(std::string_view name, std::string message);

  std::string Full(std::string_view name) const { return prefix_ + std::string(name); }

 private:
  JsonValue* Find(std::string_view name);
  JsonValue* Find(std::string_view name, JsonValue::Kind kind, const char* accepted);
  JsonValue* Array(std::string_view name, size_t max, const std::string& accepted);

  JsonValue* object_;
  std::string prefix_;
  FieldErrors* errors_;
};

// The outermost object of a body. False, with `error` filled, when it is none.
[[nodiscard]] bool ParseObject(std::string_view body, JsonValue* root, ParseError* error);

// The member `name` of `top` with limits of a run, in the form that submissions and keys share.
void ReadLimits(ObjectReader* top, std::string_view name, FieldErrors* errors, Limits* out);

}  // namespace job
