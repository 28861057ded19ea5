#include "store/redis_keys.h"

#include <utility>
#include <vector>

#include "base/text.h"
#include "job/json.h"
#include "store/redis_scripts.h"
#include "store/rules.h"

namespace store {

using base::Result;
using std::to_string;

namespace {

base::Error Strange(const char* what) {
  return base::Internal(std::string("Redis answers something else than ") + what);
}

Result<job::KeySet> ReadKeySet(const RedisReply& reply) {
  if (reply.items.empty()) {
    return Strange("a list of keys");
  }
  job::KeySet set{static_cast<uint64_t>(reply.items[0].ToInt()), std::nullopt};
  if (reply.items.size() == 1) {
    return set;
  }
  set.keys.emplace();
  for (size_t i = 2; i < reply.items.size(); ++i) {
    Result<job::Key> key = job::DecodeKey(reply.items[i].text);
    if (!key) {
      return key.error();
    }
    set.keys->push_back(std::move(*key));
  }
  return set;
}

RedisClient::Callback Changed(job::Store::Callback<void> done) {
  return [done = std::move(done)](const Result<RedisReply>& reply) {
    if (!reply) {
      done(reply.error());
    } else if (reply->IsText("conflict")) {
      done(DuplicateKey());
    } else if (reply->IsText("full")) {
      done(TooManyKeys());
    } else if (reply->IsText("none")) {
      done(NoSuchKey());
    } else {
      done({});
    }
  };
}

}  // namespace

void RedisKeys::Read(std::optional<uint64_t> known, job::Store::Callback<job::KeySet> done) {
  client_.Run(Scripts().keys, {"read", known ? to_string(*known) : std::string()},
              [done = std::move(done)](const Result<RedisReply>& reply) {
                done(reply ? ReadKeySet(*reply) : Result<job::KeySet>(reply.error()));
              });
}

void RedisKeys::Add(const job::Key& key, job::Store::Callback<void> done) {
  client_.Run(Scripts().keys, {"add", key.id, job::EncodeKey(key), to_string(job::kMaxKeys)},
              Changed(std::move(done)));
}

void RedisKeys::Remove(const std::string& id, job::Store::Callback<void> done) {
  client_.Run(Scripts().keys, {"remove", id}, Changed(std::move(done)));
}

void RedisKeys::Secret(job::Store::Callback<std::string> done) {
  client_.Run(Scripts().keys, {"secret", base::RandomId(kStoreSecretBytes)},
              [done = std::move(done)](const Result<RedisReply>& reply) {
                done(reply ? Result<std::string>(reply->text) : reply.error());
              });
}

void RedisKeys::TakeRate(const std::string& name, const job::Rate& rate, int64_t wanted,
                         job::Store::Callback<job::RateState> done) {
  client_.Run(Scripts().rate,
              {name, to_string(rate.count), to_string(rate.period), to_string(wanted)},
              [done = std::move(done)](const Result<RedisReply>& reply) {
                if (!reply) {
                  done(reply.error());
                } else if (reply->items.size() != 4) {
                  done(Strange("what is left of a rate"));
                } else {
                  const std::vector<RedisReply>& items = reply->items;
                  done(job::RateState{items[0].ToInt(), items[1].ToInt(),
                                      items[2].ToInt() * base::kMicrosecond,
                                      items[3].ToInt() * base::kMicrosecond});
                }
              });
}

}  // namespace store
