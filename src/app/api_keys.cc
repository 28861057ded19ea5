#include "app/api_keys.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/text.h"
#include "base/unique_fd.h"
#include "job/json.h"

namespace app {
namespace {

constexpr size_t kMaxFile = size_t{16} << 20;

base::Result<std::string> ReadFile(const std::string& path) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid()) {
    return base::SysError("open " + path, errno);
  }
  std::string text;
  std::array<char, 65536> piece{};
  for (;;) {
    const ssize_t n = ::read(fd.get(), piece.data(), piece.size());
    if (n < 0) {
      return base::SysError("read " + path, errno);
    }
    if (n == 0) {
      return text;
    }
    text.append(piece.data(), static_cast<size_t>(n));
    if (text.size() > kMaxFile) {
      return base::InvalidArgument(path + " is larger than " + std::to_string(kMaxFile) + " bytes");
    }
  }
}

// Why a key cannot be added.
const char* Conflict(const std::vector<job::Key>& keys, const job::Key& key) {
  for (const job::Key& other : keys) {
    if (other.name == key.name) {
      return "the name is given twice";
    }
    if (other.hash == key.hash) {
      return "the key is another's, too";
    }
  }
  return nullptr;
}

}  // namespace

base::Result<std::vector<job::Key>> ParseApiKeys(std::string_view text) {
  std::vector<job::Key> keys;
  while (!text.empty()) {
    const std::string_view pair = base::Trim(text.substr(0, text.find(',')));
    text.remove_prefix(std::min(
        text.size(), text.find(',') == std::string_view::npos ? text.size() : text.find(',') + 1));
    const size_t equals = pair.find('=');
    job::Key key;
    key.name = pair.substr(0, equals);
    const std::string_view secret =
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    if (!job::IsKeyName(key.name) || !job::IsSecret(secret)) {
      return base::InvalidArgument(
          "name=key, separated by commas; a name is of up to " + std::to_string(job::kMaxKeyName) +
          " letters, digits, '-', '_' and '.', and a key " + job::SecretRule());
    }
    key.id = key.name;
    key.hash = job::HashSecret(secret);
    if (Conflict(keys, key) != nullptr) {
      return base::InvalidArgument("name=key, separated by commas, each name and key once");
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

base::Result<void> ReadApiKeysFile(const std::string& path, std::vector<job::Key>* keys) {
  if (path.empty()) {
    return {};
  }
  const auto wrong = [&](const std::string& why) {
    return base::InvalidArgument("HTTP_API_KEYS_FILE: " + path + ": " + why);
  };
  const base::Result<std::string> text = ReadFile(path);
  if (!text) {
    return base::InvalidArgument("HTTP_API_KEYS_FILE: " + text.error().message);
  }
  std::vector<job::Key> found;
  job::ParseError error;
  if (!job::ParseKeysFile(*text, &found, &error)) {
    const job::FieldError& first = error.errors.front();
    return wrong(first.field + (first.field.empty() ? "" : " ") + first.message);
  }
  for (job::Key& key : found) {
    key.id = key.name;
    if (const char* why = Conflict(*keys, key)) {
      return wrong("key '" + key.name + "': " + why);
    }
    keys->push_back(std::move(key));
  }
  return {};
}

}  // namespace app
