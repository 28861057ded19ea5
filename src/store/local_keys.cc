#include "store/local_keys.h"

#include <vector>

#include "base/text.h"
#include "store/rules.h"

namespace store {

void LocalRates::Take(const std::string& name, const job::Rate& rate, int64_t wanted,
                      job::Store::Callback<job::RateState> done) {
  const job::RateState state = rates_.Take(name, rate, wanted, clock_());
  post_([alive = std::weak_ptr<bool>(alive_), state, done = std::move(done)] {
    if (!alive.expired()) {
      done(state);
    }
  });
}

LocalKeys::LocalKeys(Post post, Clock clock)
    : post_(post),
      rates_(std::move(post), std::move(clock)),
      secret_(base::RandomId(kStoreSecretBytes)) {}

template <typename T>
void LocalKeys::Answer(job::Store::Callback<T> done, base::Result<T> result) {
  post_([alive = std::weak_ptr<bool>(alive_), result = std::move(result), done = std::move(done)] {
    if (!alive.expired()) {
      done(result);
    }
  });
}

void LocalKeys::ReadKeys(std::optional<uint64_t> known, job::Store::Callback<job::KeySet> done) {
  job::KeySet set{revision_, std::nullopt};
  if (known != revision_) {
    set.keys.emplace();
    for (const auto& [id, key] : keys_) {
      set.keys->push_back(key);
    }
  }
  Answer<job::KeySet>(std::move(done), std::move(set));
}

void LocalKeys::AddKey(job::Key key, job::Store::Callback<void> done) {
  if (keys_.size() >= job::kMaxKeys) {
    return Answer<void>(std::move(done), TooManyKeys());
  }
  const std::string id = key.id;
  const bool added = keys_.emplace(id, std::move(key)).second;
  revision_ += added ? 1 : 0;
  Answer<void>(std::move(done), added ? base::Result<void>() : DuplicateKey());
}

void LocalKeys::RemoveKey(std::string id, job::Store::Callback<void> done) {
  const bool removed = keys_.erase(id) > 0;
  revision_ += removed ? 1 : 0;
  Answer<void>(std::move(done), removed ? base::Result<void>() : NoSuchKey());
}

void LocalKeys::Secret(job::Store::Callback<std::string> done) {
  Answer<std::string>(std::move(done), std::string(secret_));
}

void LocalKeys::TakeRate(std::string name, job::Rate rate, int64_t wanted,
                         job::Store::Callback<job::RateState> done) {
  rates_.Take(name, rate, wanted, std::move(done));
}

}  // namespace store
