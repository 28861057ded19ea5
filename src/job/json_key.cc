// Keys: the body of POST /v1/keys, the file of keys, and what is told of them.
#include <charconv>
#include <utility>

#include "base/text.h"
#include "job/json.h"
#include "job/json_reader.h"
#include "job/json_tree.h"
#include "job/json_writer.h"

namespace job {
namespace {

constexpr size_t kMaxKeyLanguages = 100;
constexpr size_t kMaxLanguageBytes = 4096;

const std::vector<std::string_view>& KeyNames() {
  static const std::vector<std::string_view> kNames = {"name",        "admin",      "rate",
                                                       "max_running", "max_queued", "languages",
                                                       "max_timeout", "max_limits"};
  return kNames;
}

// "10/s", "600/m", "5000/h".
std::optional<Rate> ParseRate(std::string_view text) {
  Rate rate;
  const size_t slash = text.find('/');
  const std::string_view unit = slash == std::string_view::npos ? "" : text.substr(slash + 1);
  if (unit == "s" || unit == "m" || unit == "h") {
    rate.period = unit == "s" ? base::kSecond : unit == "m" ? base::kMinute : base::kHour;
  }
  const char* const end = text.data() + std::min(slash, text.size());
  const auto [rest, error] = std::from_chars(text.data(), end, rate.count);
  if (rate.period == 0 || error != std::errc() || rest != end || rate.count < 1 ||
      rate.count > kMaxRateCount) {
    return std::nullopt;
  }
  return rate;
}

std::string FormatRate(const Rate& rate) {
  const char* unit = rate.period == base::kSecond   ? "/s"
                     : rate.period == base::kMinute ? "/m"
                                                    : "/h";
  return std::to_string(rate.count) + unit;
}

void ReadKey(ObjectReader* reader, FieldErrors* errors, Key* key) {
  if (!reader->Has("name")) {
    reader->Fail("name", "is required: a string");
  } else if (auto name = reader->String("name")) {
    if (!IsKeyName(*name)) {
      reader->Fail("name", "must be 1 to " + std::to_string(kMaxKeyName) +
                               " letters, digits, '-', '_' and '.'");
    }
    key->name = *std::move(name);
  }
  key->admin = reader->Bool("admin").value_or(false);
  if (auto text = reader->String("rate")) {
    if (const auto rate = ParseRate(*text)) {
      key->rate = *rate;
    } else {
      reader->Fail("rate",
                   "must be jobs per second, minute or hour such as \"10/s\", \"600/m\" or "
                   "\"5000/h\", up to " +
                       std::to_string(kMaxRateCount));
    }
  }
  key->max_running = reader->Integer("max_running", 1, kMaxKeyJobs).value_or(0);
  key->max_queued = reader->Integer("max_queued", 1, kMaxKeyJobs).value_or(0);
  key->languages = reader->Strings("languages", kMaxKeyLanguages, kMaxLanguageBytes);
  if (reader->Has("languages") && key->languages.empty()) {
    reader->Fail("languages", "must name at least one; without it all are allowed");
  }
  key->max_timeout = reader->Duration("max_timeout", 1, ", greater than 0");
  ReadLimits(reader, "max_limits", errors, &key->max_limits);
}

void WriteKey(const Key& key, JsonWriter* w) {
  w->String("id", key.id);
  w->String("name", key.name);
  w->String("created_at", base::FormatRfc3339(key.created_at));
  w->Bool("admin", key.admin);
  if (key.rate.count > 0) {
    w->String("rate", FormatRate(key.rate));
  }
  if (key.max_running > 0) {
    w->Int("max_running", key.max_running);
  }
  if (key.max_queued > 0) {
    w->Int("max_queued", key.max_queued);
  }
  if (!key.languages.empty()) {
    w->BeginArray("languages");
    for (const std::string& language : key.languages) {
      w->StoredElement(language);
    }
    w->EndArray();
  }
  if (key.max_timeout > 0) {
    w->String("max_timeout", base::FormatDuration(key.max_timeout));
  }
  const Limits& max = key.max_limits;
  w->BeginObject("max_limits");
  if (max.cpu_time > 0) {
    w->String("cpu_time", base::FormatDuration(max.cpu_time));
  }
  for (const auto& [name, value] :
       {std::pair<const char*, int64_t>{"memory_bytes", max.memory_bytes},
        {"processes", max.processes},
        {"output_bytes", max.output_bytes},
        {"file_bytes", max.file_bytes},
        {"open_files", max.open_files}}) {
    if (value > 0) {
      w->Int(name, value);
    }
  }
  w->EndObject();
}

// A key of the file, with its secret or the hash of that.
void ReadFileKey(JsonValue* value, const std::string& prefix, FieldErrors* errors, Key* key) {
  std::vector<std::string_view> names = KeyNames();
  names.insert(names.end(), {"key", "key_sha256"});
  ObjectReader reader(value, prefix, names, errors);
  ReadKey(&reader, errors, key);
  const std::optional<std::string> secret = reader.String("key");
  const std::optional<std::string> hash = reader.String("key_sha256");
  if (reader.Has("key") == reader.Has("key_sha256")) {
    reader.Fail("key", "is required: the key, or its SHA-256 as key_sha256");
  } else if (secret && !IsSecret(*secret)) {
    reader.Fail("key", SecretRule());
  } else if (secret) {
    key->hash = HashSecret(*secret);
  } else if (hash) {
    const std::optional<std::string> bytes = base::HexDecode(*hash);
    if (!bytes || bytes->size() != kHashBytes) {
      reader.Fail("key_sha256", "must be 64 hexadecimal digits");
    }
    key->hash = bytes.value_or("");
  }
}

}  // namespace

std::string SecretRule() {
  return "must be " + std::to_string(kMinSecret) + " to " + std::to_string(kMaxSecret) +
         " letters, digits and -._~+/=";
}

bool ParseKey(std::string_view body, Key* out, ParseError* error) {
  *out = {};
  JsonValue root;
  if (!ParseObject(body, &root, error)) {
    return false;
  }
  FieldErrors errors;
  ObjectReader reader(&root, "", KeyNames(), &errors);
  ReadKey(&reader, &errors, out);
  error->errors = errors.Take();
  return error->errors.empty();
}

bool ParseKeysFile(std::string_view text, std::vector<Key>* out, ParseError* error) {
  out->clear();
  JsonValue root;
  if (!ParseObject(text, &root, error)) {
    return false;
  }
  FieldErrors errors;
  ObjectReader reader(&root, "", {"keys"}, &errors);
  if (!reader.Has("keys")) {
    reader.Fail("keys", "is required: a list of keys");
  }
  std::vector<JsonValue>* const keys = reader.Objects("keys", kMaxKeys);
  for (size_t i = 0; keys != nullptr && i < keys->size(); ++i) {
    Key key;
    ReadFileKey(&(*keys)[i], "keys[" + std::to_string(i) + "].", &errors, &key);
    out->push_back(std::move(key));
  }
  error->errors = errors.Take();
  return error->errors.empty();
}

std::string ToKeyJson(const Key& key, std::string_view secret) {
  JsonWriter w;
  WriteKey(key, &w);
  if (!secret.empty()) {
    w.String("key", secret);
  }
  return w.Take();
}

std::string ToKeyListJson(const std::vector<Key>& keys) {
  std::string out = R"({"keys":[)";
  for (const Key& key : keys) {
    out += (&key == &keys.front() ? "" : ",") + ToKeyJson(key, "");
  }
  return out + "]}";
}

// The public form with the hash.
std::string EncodeKey(const Key& key) {
  JsonWriter w;
  w.Int("v", 1);
  WriteKey(key, &w);
  w.String("key_sha256", base::HexEncode(key.hash));
  return w.Take();
}

base::Result<Key> DecodeKey(std::string_view stored) {
  const base::Error unreadable = base::Internal("a stored key is damaged or of another version");
  JsonValue root;
  ParseError error;
  if (!ParseObject(stored, &root, &error)) {
    return unreadable;
  }
  std::vector<std::string_view> names = KeyNames();
  names.insert(names.end(), {"v", "id", "created_at", "key_sha256"});
  FieldErrors errors;
  ObjectReader reader(&root, "", names, &errors);
  Key key;
  ReadKey(&reader, &errors, &key);
  reader.Integer("v", 1, 1);
  key.id = reader.String("id").value_or("");
  key.hash = base::HexDecode(reader.String("key_sha256").value_or("")).value_or("");
  const auto created = base::ParseRfc3339(reader.String("created_at").value_or(""));
  if (!errors.empty() || !created || key.id.empty() || key.hash.size() != kHashBytes) {
    return unreadable;
  }
  key.created_at = *created;
  return key;
}

}  // namespace job
