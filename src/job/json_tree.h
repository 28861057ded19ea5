#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// A request's body as a tree of values: strict, and bounded, so that a hostile body of millions of
// small values costs little memory. Knows no names.
namespace job {

struct JsonValue {
  enum class Kind { kNull, kBool, kInteger, kNumber, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  bool boolean = false;
  bool duplicate = false;  // an earlier member of its object has the same key
  int64_t integer = 0;
  double number = 0;                // for kInteger, too
  std::string text;                 // kString: any characters, NUL included
  std::string key;                  // of a member of an object
  std::vector<JsonValue> children;  // elements or members, in the order of the text
};

constexpr size_t kMaxJsonDepth = 64;
constexpr size_t kMaxJsonValues = 300'000;

enum class JsonError { kNone, kMalformed, kTooMany };

// Parses `text`, which must be one JSON value of strict UTF-8 nested up to kMaxJsonDepth, with at
// most kMaxJsonValues values in it. `why` gets one sentence for an error. Integers beyond 64 bits
// are kNumber. Does not throw.
JsonError ParseJson(std::string_view text, JsonValue* out, std::string* why);

}  // namespace job
