#include "store/redis_reply.h"

#include <hiredis/hiredis.h>

#include <array>
#include <charconv>
#include <utility>

#include "base/text.h"

namespace store {
namespace {

// Where the reader puts what it makes: the root, or a place in the array that it fills.
RedisReply* Place(const redisReadTask* task) {
  if (task->parent == nullptr) {
    return new RedisReply();  // NOLINT(cppcoreguidelines-owning-memory): the reader owns the root
  }
  return &static_cast<RedisReply*>(task->parent->obj)->items[static_cast<size_t>(task->idx)];
}

void* MakeText(const redisReadTask* task, char* data, size_t size) {
  RedisReply* reply = Place(task);
  reply->type =
      task->type == REDIS_REPLY_ERROR ? RedisReply::Type::kError : RedisReply::Type::kText;
  reply->text.assign(data, size);
  return reply;
}

// Room is made as soon as the number is known: without a bound a few bytes could ask for gigabytes.
constexpr int kMaxElements = 1 << 20;

void* MakeArray(const redisReadTask* task, int elements) {
  if (elements > kMaxElements) {
    return nullptr;  // an error to the reader
  }
  RedisReply* reply = Place(task);
  reply->type = RedisReply::Type::kArray;
  reply->items.resize(static_cast<size_t>(elements));
  return reply;
}

void* MakeInteger(const redisReadTask* task, long long value) {
  RedisReply* reply = Place(task);
  reply->type = RedisReply::Type::kInteger;
  reply->integer = value;
  return reply;
}

void* MakeNil(const redisReadTask* task) {
  return Place(task);
}

void Free(void* root) {
  delete static_cast<RedisReply*>(root);  // NOLINT(cppcoreguidelines-owning-memory): as in Place
}

redisReplyObjectFunctions functions = {MakeText, MakeArray, MakeInteger, MakeNil, Free};

struct Meaning {
  std::string_view code;
  const char* text;  // goes on after "Redis at host:port "
};

constexpr std::array<Meaning, 15> kMeanings = {{
    {"NOAUTH", "asks for a password: set REDIS_PASSWORD (and REDIS_USERNAME for an ACL user)"},
    {"WRONGPASS", "refuses the password: check REDIS_PASSWORD (and REDIS_USERNAME)"},
    {"ERR invalid password", "refuses the password: check REDIS_PASSWORD (and REDIS_USERNAME)"},
    {"ERR AUTH", "has no password for this user: check REDIS_PASSWORD (and REDIS_USERNAME)"},
    {"ERR Client sent AUTH", "has no password set, but REDIS_PASSWORD is set"},
    {"ERR DB index", "does not have the database that REDIS_DB names"},
    {"NOPERM", "does not permit its user a command or key that the service needs (REDIS_USERNAME)"},
    {"READONLY", "is a read-only replica: REDIS_ADDR must lead to the master"},
    {"OOM", "is out of memory (maxmemory is reached)"},
    {"LOADING", "is loading its data"},
    {"MISCONF", "takes no writes because it cannot save to its disk (MISCONF, see its log)"},
    {"MASTERDOWN", "is a replica that has lost its master"},
    {"NOREPLICAS", "takes no writes because it has too few replicas (NOREPLICAS)"},
    {"BUSY", "is busy with a script"},
    {"ERR max number of clients reached", "has reached its maxclients"},
}};

constexpr std::array<std::string_view, 5> kCluster = {"MOVED", "ASK", "CROSSSLOT", "CLUSTERDOWN",
                                                      "TRYAGAIN"};

// An error that a command within a script met: Redis 7 begins with its code, Redis 6 hides it
// behind what it says of the script.
std::string_view SkipScriptPrefix(std::string_view text) {
  if (text.starts_with("ERR Error running script")) {
    const size_t code = text.find(": -");
    if (code != std::string_view::npos) {
      return text.substr(code + 3);
    }
  }
  return text;
}

bool HasCode(const RedisReply& reply, std::string_view code) {
  return reply.type == RedisReply::Type::kError && SkipScriptPrefix(reply.text).starts_with(code);
}

}  // namespace

int64_t RedisReply::ToInt() const {
  int64_t value = integer;
  if (type == Type::kText) {
    std::from_chars(text.data(), text.data() + text.size(), value);
  }
  return value;
}

struct RedisReader::Impl {
  redisReader* reader = redisReaderCreateWithFunctions(&functions);
};

RedisReader::RedisReader() : impl_(std::make_unique<Impl>()) {
  if (impl_->reader == nullptr) {
    throw std::bad_alloc();
  }
}

RedisReader::~RedisReader() {
  redisReaderFree(impl_->reader);
}

void RedisReader::Feed(std::string_view bytes) {
  redisReaderFeed(impl_->reader, bytes.data(), bytes.size());  // Next tells of what fails
}

base::Result<std::optional<RedisReply>> RedisReader::Next() {
  void* reply = nullptr;
  if (redisReaderGetReply(impl_->reader, &reply) != REDIS_OK) {
    return base::Internal("what comes is not the Redis protocol: " +
                          base::Printable(redisReaderGetError(impl_->reader)));
  }
  if (reply == nullptr) {
    return std::optional<RedisReply>();
  }
  const std::unique_ptr<RedisReply> owned(static_cast<RedisReply*>(reply));
  return std::optional<RedisReply>(std::move(*owned));
}

std::string FormatRedisCommand(const std::vector<std::string>& arguments) {
  std::vector<const char*> data;
  std::vector<size_t> sizes;
  data.reserve(arguments.size());
  sizes.reserve(arguments.size());
  for (const std::string& argument : arguments) {
    data.push_back(argument.data());
    sizes.push_back(argument.size());
  }
  char* formatted = nullptr;
  const int size = redisFormatCommandArgv(&formatted, static_cast<int>(arguments.size()),
                                          data.data(), sizes.data());
  if (size < 0) {
    throw std::bad_alloc();
  }
  std::string bytes(formatted, static_cast<size_t>(size));
  redisFreeCommand(formatted);
  return bytes;
}

bool IsNoScript(const RedisReply& reply) {
  return HasCode(reply, "NOSCRIPT");
}

bool WantsReconnect(const RedisReply& reply) {
  return HasCode(reply, "READONLY") || HasCode(reply, "NOAUTH") || HasCode(reply, "MASTERDOWN");
}

base::Error ToError(const RedisReply& reply, const std::string& where) {
  const std::string who = "Redis at " + where + " ";
  for (const std::string_view code : kCluster) {
    if (HasCode(reply, code)) {
      return {
          base::ErrorKind::kUnavailable,
          who + "is a node of a cluster, which is not supported: " + base::Printable(reply.text),
          0};
    }
  }
  for (const Meaning& meaning : kMeanings) {
    if (HasCode(reply, meaning.code)) {
      return {base::ErrorKind::kUnavailable, who + meaning.text, 0};
    }
  }
  return base::Internal(who + "answers: " + base::Printable(reply.text));
}

}  // namespace store
