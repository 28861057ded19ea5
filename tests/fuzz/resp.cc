// Replies of a Redis server, and commands as they are sent to one. The first byte says in which
// pieces the bytes arrive; they must make the same replies in any.

#include <string>

#include "fuzz.h"
#include "store/redis_reply.h"

namespace {

struct Outcome {
  std::vector<std::string> replies;
  bool broken = false;
};

std::string Describe(const store::RedisReply& reply) {
  std::string out = std::to_string(static_cast<int>(reply.type)) + ":" +
                    std::to_string(reply.integer) + ":" + std::to_string(reply.text.size()) + ":" +
                    reply.text;
  for (const store::RedisReply& item : reply.items) {
    out += "[" + Describe(item) + "]";
  }
  return out;
}

Outcome Read(std::string_view bytes, size_t piece) {
  store::RedisReader reader;
  Outcome outcome;
  while (!bytes.empty()) {
    reader.Feed(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    for (;;) {
      const auto reply = reader.Next();
      if (!reply) {
        outcome.broken = true;
        return outcome;
      }
      if (!*reply) {
        break;
      }
      outcome.replies.push_back(Describe(**reply));
      (*reply)->ToInt();
      if ((*reply)->type == store::RedisReply::Type::kError) {
        MUST(!store::ToError(**reply, "server").message.empty());
        store::IsNoScript(**reply);
        store::WantsReconnect(**reply);
      }
    }
  }
  return outcome;
}

}  // namespace

FUZZ(resp, input) {
  fuzz::Input in(input);
  const size_t piece = 1 + in.Take<uint8_t>() % 32U;
  const std::string_view bytes = in.TakeRest();
  const Outcome whole = Read(bytes, bytes.size() + 1);
  const Outcome pieces = Read(bytes, piece);
  MUST(whole.broken == pieces.broken && whole.replies == pieces.replies);

  // A command is an array of texts, whatever they hold.
  std::vector<std::string> arguments;
  fuzz::Input words(bytes);
  while (!words.empty()) {
    arguments.emplace_back(words.TakeUntil('\n'));
  }
  if (!arguments.empty()) {
    store::RedisReader reader;
    reader.Feed(store::FormatRedisCommand(arguments));
    const auto reply = reader.Next();
    MUST(reply && *reply && (*reply)->type == store::RedisReply::Type::kArray);
    MUST((*reply)->items.size() == arguments.size());
    for (size_t i = 0; i < arguments.size(); ++i) {
      MUST((*reply)->items[i].IsText(arguments[i]));
    }
  }
}
