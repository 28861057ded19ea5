#include "job/json_tree.h"

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <exception>
#include <limits>
#include <unordered_set>
#include <utility>

#include "base/text.h"

namespace job {
namespace {

namespace json = boost::json;

using Kind = JsonValue::Kind;

// Builds the tree out of the parser's events.
struct TreeHandler {
  // NOLINTBEGIN(readability-identifier-naming): names that json::basic_parser asks for
  static constexpr size_t max_object_size = std::numeric_limits<size_t>::max();
  static constexpr size_t max_array_size = std::numeric_limits<size_t>::max();
  static constexpr size_t max_key_size = std::numeric_limits<size_t>::max();
  static constexpr size_t max_string_size = std::numeric_limits<size_t>::max();

  using error_code = boost::system::error_code;
  using string_view = json::string_view;
  // NOLINTEND(readability-identifier-naming)

  JsonValue root;
  bool too_many = false;

  bool on_document_begin(error_code&) { return true; }

  bool on_document_end(error_code&) { return true; }

  bool on_object_begin(error_code& ec) { return Open(Kind::kObject, ec); }

  bool on_object_end(size_t, error_code&) {
    std::unordered_set<std::string_view> keys;
    for (JsonValue& member : open_.back()->children) {
      member.duplicate = !keys.insert(member.key).second;
    }
    open_.pop_back();
    return true;
  }

  bool on_array_begin(error_code& ec) { return Open(Kind::kArray, ec); }

  bool on_array_end(size_t, error_code&) {
    open_.pop_back();
    return true;
  }

  bool on_key_part(string_view part, size_t, error_code&) { return Append(part); }

  bool on_key(string_view part, size_t, error_code&) {
    Append(part);
    key_ = std::exchange(text_, {});
    return true;
  }

  bool on_string_part(string_view part, size_t, error_code&) { return Append(part); }

  bool on_string(string_view part, size_t, error_code& ec) {
    Append(part);
    JsonValue* value = Add(Kind::kString, ec);
    if (value != nullptr) {
      value->text = std::exchange(text_, {});
    }
    return value != nullptr;
  }

  bool on_number_part(string_view, error_code&) { return true; }

  bool on_int64(int64_t number, string_view, error_code& ec) {
    JsonValue* value = Add(Kind::kInteger, ec);
    if (value != nullptr) {
      value->integer = number;
      value->number = static_cast<double>(number);
    }
    return value != nullptr;
  }

  bool on_uint64(uint64_t number, string_view, error_code& ec) {
    return on_double(static_cast<double>(number), {}, ec);
  }

  bool on_double(double number, string_view, error_code& ec) {
    JsonValue* value = Add(Kind::kNumber, ec);
    if (value != nullptr) {
      value->number = number;
    }
    return value != nullptr;
  }

  bool on_bool(bool boolean, error_code& ec) {
    JsonValue* value = Add(Kind::kBool, ec);
    if (value != nullptr) {
      value->boolean = boolean;
    }
    return value != nullptr;
  }

  bool on_null(error_code& ec) { return Add(Kind::kNull, ec) != nullptr; }

  bool on_comment_part(string_view, error_code&) { return true; }

  bool on_comment(string_view, error_code&) { return true; }

 private:
  bool Append(string_view part) {
    text_.append(part.data(), part.size());
    return true;
  }

  bool Open(Kind kind, error_code& ec) {
    JsonValue* value = Add(kind, ec);
    if (value != nullptr) {
      open_.push_back(value);
    }
    return value != nullptr;
  }

  // Null, with an error, when there are too many. A pointer to an open value stays good: only the
  // innermost open one gets children.
  JsonValue* Add(Kind kind, error_code& ec) {
    if (++count_ > kMaxJsonValues) {
      too_many = true;
      ec = json::error::array_too_large;
      return nullptr;
    }
    JsonValue* value = &root;
    if (!open_.empty()) {
      value = &open_.back()->children.emplace_back();
      value->key = std::exchange(key_, {});
    }
    value->kind = kind;
    return value;
  }

  std::vector<JsonValue*> open_;
  std::string key_;
  std::string text_;
  size_t count_ = 0;
};

std::string Malformed(const boost::system::error_code& ec, size_t offset) {
  if (ec == json::error::too_deep) {
    return "the body is nested deeper than " + std::to_string(kMaxJsonDepth) + " levels";
  }
  std::string why = ec ? ec.message() : "unexpected end";
  return "the body is not JSON: " + why + " at offset " + std::to_string(offset);
}

}  // namespace

JsonError ParseJson(std::string_view text, JsonValue* out, std::string* why) {
  if (!base::IsValidUtf8(text)) {
    *why = "the body is not valid UTF-8";
    return JsonError::kMalformed;
  }
  try {
    json::parse_options options;
    options.max_depth = kMaxJsonDepth;
    json::basic_parser<TreeHandler> parser(options);
    boost::system::error_code ec;
    const size_t read = parser.write_some(false, text.data(), text.size(), ec);
    if (parser.handler().too_many) {
      *why = "must have at most " + std::to_string(kMaxJsonValues) + " values";
      return JsonError::kTooMany;
    }
    if (ec || read < text.size()) {
      *why = ec ? Malformed(ec, read)
                : "the body has more after the JSON value, at offset " + std::to_string(read);
      return JsonError::kMalformed;
    }
    *out = std::move(parser.handler().root);
    return JsonError::kNone;
  } catch (const std::exception& e) {
    *why = std::string("the body cannot be read: ") + e.what();
    return JsonError::kMalformed;
  }
}

}  // namespace job
