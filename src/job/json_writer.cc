#include "job/json_writer.h"

#include <array>
#include <charconv>
#include <utility>

#include "base/text.h"

namespace job {
namespace {

// REQUIRES: valid UTF-8.
void AppendQuoted(std::string_view text, std::string* out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out->reserve(out->size() + text.size() + 2);
  *out += '"';
  size_t plain = 0;  // start of the run of bytes that need no escape
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') {
      continue;
    }
    *out += text.substr(plain, i - plain);
    plain = i + 1;
    switch (c) {
      case '"':
        *out += "\\\"";
        break;
      case '\\':
        *out += "\\\\";
        break;
      case '\n':
        *out += "\\n";
        break;
      case '\r':
        *out += "\\r";
        break;
      case '\t':
        *out += "\\t";
        break;
      default:
        *out += "\\u00";
        *out += kHex[c >> 4];
        *out += kHex[c & 15];
    }
  }
  *out += text.substr(plain);
  *out += '"';
}

}  // namespace

void JsonWriter::Comma() {
  if (out_.back() != '{' && out_.back() != '[') {
    out_ += ',';
  }
}

void JsonWriter::Key(std::string_view key) {
  Comma();
  AppendQuoted(key, &out_);
  out_ += ':';
}

void JsonWriter::String(std::string_view key, std::string_view utf8) {
  Key(key);
  AppendQuoted(utf8, &out_);
}

void JsonWriter::Int(std::string_view key, int64_t value) {
  Key(key);
  out_ += std::to_string(value);
}

void JsonWriter::Double(std::string_view key, double value) {
  std::array<char, 32> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value,
                                          std::chars_format::scientific);
  Key(key);
  out_.append(digits.data(), error == std::errc() ? end : digits.data());
}

void JsonWriter::Bool(std::string_view key, bool value) {
  Key(key);
  out_ += value ? "true" : "false";
}

void JsonWriter::Milliseconds(std::string_view key, base::Nanos value) {
  Key(key);
  if (value < 0) {
    value = 0;  // a wall clock that was set back between two readings
  }
  out_ += std::to_string(value / base::kMillisecond);
  if (const base::Nanos rest = value % base::kMillisecond; rest != 0) {
    std::string digits = std::to_string(base::kMillisecond + rest);
    digits[0] = '.';  // in place of the leading 1 that kept the zeros
    digits.erase(digits.find_last_not_of('0') + 1);
    out_ += digits;
  }
}

void JsonWriter::PublicBytes(std::string_view key, std::string_view bytes) {
  const bool utf8 = base::IsValidUtf8(bytes);
  if (utf8) {
    String(key, bytes);
  } else {
    String(key, base::Base64Encode(bytes));
  }
  String(std::string(key) + "_encoding", utf8 ? "utf8" : "base64");
}

void JsonWriter::StoredBytes(std::string_view key, std::string_view bytes) {
  if (base::IsValidUtf8(bytes)) {
    String(key, bytes);
    return;
  }
  BeginObject(key);
  String("base64", base::Base64Encode(bytes));
  EndObject();
}

void JsonWriter::StoredElement(std::string_view bytes) {
  if (!base::IsValidUtf8(bytes)) {
    BeginElement();
    String("base64", base::Base64Encode(bytes));
    EndObject();
    return;
  }
  Comma();
  AppendQuoted(bytes, &out_);
}

void JsonWriter::BeginObject(std::string_view key) {
  Key(key);
  out_ += '{';
}

void JsonWriter::BeginElement() {
  Comma();
  out_ += '{';
}

void JsonWriter::BeginArray(std::string_view key) {
  Key(key);
  out_ += '[';
}

void JsonWriter::EndArray() {
  out_ += ']';
}

void JsonWriter::EndObject() {
  out_ += '}';
}

std::string JsonWriter::Take() {
  out_ += '}';
  return std::move(out_);
}

}  // namespace job
