#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// What goes over the wire to Redis: commands as bytes, bytes as replies (RESP 2), error replies as
// errors that an operator understands. Not thread-safe, non-blocking.
namespace store {

struct RedisReply {
  enum class Type { kNil, kText, kInteger, kArray, kError };

  Type type = Type::kNil;
  std::string text;  // of kText and kError
  int64_t integer = 0;
  std::vector<RedisReply> items;  // of kArray

  bool IsNil() const { return type == Type::kNil; }

  bool IsText(std::string_view wanted) const { return type == Type::kText && text == wanted; }

  // The number that an integer or a text holds; 0 when it holds none.
  int64_t ToInt() const;
};

// Cuts a stream of bytes into replies.
class RedisReader {
 public:
  RedisReader();
  ~RedisReader();
  RedisReader(const RedisReader&) = delete;
  RedisReader& operator=(const RedisReader&) = delete;

  void Feed(std::string_view bytes);

  // The next whole reply; nullopt when bytes are missing. kInternal: what came is not RESP; the
  // reader is of no use any more.
  base::Result<std::optional<RedisReply>> Next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::string FormatRedisCommand(const std::vector<std::string>& arguments);

// True for the reply to EVALSHA of a script that the server does not know (any more).
bool IsNoScript(const RedisReply& reply);

// True when the server has become a replica, or asks for a password that it did not ask for before:
// another connection may be better.
bool WantsReconnect(const RedisReply& reply);

// What an error reply means. kUnavailable for all that passes or that an operator must put right;
// kInternal for what only a defect explains. `where` names the server. The text never holds a
// secret.
base::Error ToError(const RedisReply& reply, const std::string& where);

}  // namespace store
