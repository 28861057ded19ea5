#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"

namespace job {

// Appends members of JSON objects and elements of lists to a string. They appear in the order of
// the calls; the caller closes what it opens. Strings must be valid UTF-8 unless a method says
// otherwise. Not thread-safe.
class JsonWriter {
 public:
  // The outermost object is opened by the constructor and closed by Take.
  JsonWriter() : out_("{") {}

  void String(std::string_view key, std::string_view utf8);
  void Int(std::string_view key, int64_t value);
  void Double(std::string_view key, double value);  // exact; finite
  void Bool(std::string_view key, bool value);

  // A number of milliseconds with all digits down to the nanosecond: 1.5, 0.000001.
  void Milliseconds(std::string_view key, base::Nanos value);

  // Any bytes: `key` with the text and `key`_encoding "utf8", or base64 text and "base64".
  void PublicBytes(std::string_view key, std::string_view bytes);

  // Any bytes: `key` with the text, or with {"base64": "..."}.
  void StoredBytes(std::string_view key, std::string_view bytes);

  // Any bytes, as an element of a list: the text, or {"base64": "..."}.
  void StoredElement(std::string_view bytes);

  void BeginObject(std::string_view key);
  void BeginElement();  // an object as an element of a list
  void EndObject();

  void BeginArray(std::string_view key);
  void EndArray();

  std::string Take();

 private:
  void Comma();
  void Key(std::string_view key);

  std::string out_;
};

}  // namespace job
