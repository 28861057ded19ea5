#include "app/key_command.h"

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "app/command_line.h"
#include "app/privileges.h"
#include "app/stores.h"
#include "base/text.h"
#include "job/json.h"
#include "job/key_store.h"
#include "language/language.h"
#include "service/validate.h"

namespace app {
namespace {

using base::Result;

constexpr std::chrono::seconds kPatience(10);
constexpr size_t kKeyIdBytes = 9;

// Calls `start` with a callback and runs the loop until it has answered.
template <typename T, typename F>
Result<T> Await(boost::asio::io_context& loop, F start) {
  const auto answer = std::make_shared<std::optional<Result<T>>>();
  start([answer](Result<T> result) { answer->emplace(std::move(result)); });
  const auto end = std::chrono::steady_clock::now() + kPatience;
  loop.restart();
  while (!*answer && std::chrono::steady_clock::now() < end && loop.run_one_until(end) > 0) {
  }
  return *answer ? std::move(**answer)
                 : Result<T>(base::Error{base::ErrorKind::kDeadline, "no answer in time", 0});
}

// A store that has just been opened may not be connected yet.
Result<job::KeySet> ReadKeys(boost::asio::io_context& loop, job::KeyStore& keys) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    auto read =
        Await<job::KeySet>(loop, [&](auto done) { keys.ReadKeys(std::nullopt, std::move(done)); });
    if (read || read.error().kind != base::ErrorKind::kUnavailable ||
        std::chrono::steady_clock::now() >= end) {
      return read;
    }
    loop.run_one_until(end);  // until something has happened to the connection
  }
}

int Fail(const std::string& message) {
  std::fprintf(stderr, "sandboxd: %s\n", message.c_str());
  return 1;
}

void Print(const std::string& json) {
  std::printf("%s\n", json.c_str());
}

int Refuse(const job::FieldError& error) {
  std::fprintf(stderr, "sandboxd: %s%s%s\n", error.field.c_str(), error.field.empty() ? "" : ": ",
               error.message.c_str());
  return kUsageError;
}

int Create(boost::asio::io_context& loop, job::KeyStore& keys, const language::Registry& languages,
           const std::string& name, const std::string& policy) {
  // The one parser wants the name inside.
  const size_t brace = policy.find('{');
  const size_t rest =
      brace == std::string::npos ? brace : policy.find_first_not_of(" \t\r\n", brace + 1);
  if (rest == std::string::npos || !job::IsKeyName(name)) {
    std::fputs(
        "sandboxd: a key's name is of letters, digits and -_. and its limits are a JSON object\n",
        stderr);
    return kUsageError;
  }
  const std::string body =
      "{\"name\":\"" + name + "\"" + (policy[rest] == '}' ? "" : ",") + policy.substr(rest);
  job::Key key;
  job::ParseError error;
  if (!job::ParseKey(body, &key, &error)) {
    return Refuse(error.errors.front());
  }
  if (const auto errors = service::ValidateKey(languages, &key); !errors.empty()) {
    return Refuse(errors.front());
  }
  const std::string secret = job::NewSecret();
  key.id = base::RandomId(kKeyIdBytes);
  key.hash = job::HashSecret(secret);
  key.created_at = base::WallNow();
  const auto added = Await<void>(loop, [&](auto done) { keys.AddKey(key, std::move(done)); });
  if (!added) {
    return Fail(added.error().message);
  }
  Print(job::ToKeyJson(key, secret));
  return 0;
}

}  // namespace

bool IsKeyCommand(const std::vector<std::string>& words) {
  if (words.empty()) {
    return false;
  }
  return (words[0] == "create" && (words.size() == 2 || words.size() == 3)) ||
         (words[0] == "list" && words.size() == 1) || (words[0] == "revoke" && words.size() == 2);
}

int RunKeyCommand(const std::vector<std::string>& words, const Config& config) {
  if (config.job_store == "memory") {
    return Fail("JOB_STORE=memory: its keys are in the service's memory; use POST /v1/keys");
  }
  const auto languages = language::Registry::Load(config.language_dir);
  if (!languages) {
    return Fail(languages.error().message);
  }
  if (::geteuid() == 0) {
    const auto user = FindUser(config.service_user);
    Result<void> ready = user ? Result<void>() : Result<void>(user.error());
    if (ready && config.job_store == "sqlite") {
      ready = MakeFolder(config.state_dir, 0711, &*user);
    }
    if (ready) {
      ready = DropPrivileges(*user);
    }
    if (!ready) {
      return Fail(ready.error().message);
    }
  } else if (config.job_store == "sqlite") {
    if (const auto made = MakeFolder(config.state_dir, 0711, nullptr); !made) {
      return Fail(made.error().message);
    }
  }
  boost::asio::io_context loop{1};
  auto opened = OpenKeys(config, loop);
  if (!opened) {
    return Fail(opened.error().message);
  }
  job::KeyStore& keys = *opened->keys;
  const auto read = ReadKeys(loop, keys);
  if (!read) {
    return Fail(read.error().message);
  }
  if (words[0] == "create") {
    return Create(loop, keys, *languages, words[1], words.size() == 3 ? words[2] : "{}");
  }
  if (words[0] == "list") {
    Print(job::ToKeyListJson(*read->keys));
    return 0;
  }
  const auto removed =
      Await<void>(loop, [&](auto done) { keys.RemoveKey(words[1], std::move(done)); });
  return removed ? 0 : Fail(removed.error().message);
}

}  // namespace app
