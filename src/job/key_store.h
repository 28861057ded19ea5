#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "job/key.h"
#include "job/rate.h"
#include "job/store.h"

namespace job {

// The keys that a store has.
struct KeySet {
  uint64_t revision = 0;                 // greater after each change; 0: there never was a key
  std::optional<std::vector<Key>> keys;  // nullopt: as the asker knows them
};

// What a store keeps of those who call. Called and answers as Store, whose part it is.
class KeyStore {
 public:
  virtual ~KeyStore() = default;

  // `known`: the revision of which the asker has the keys.
  virtual void ReadKeys(std::optional<uint64_t> known, Store::Callback<KeySet> done) = 0;

  // Durable when answered. kConflict: there is a key with this id. kExhausted: there are kMaxKeys.
  virtual void AddKey(Key key, Store::Callback<void> done) = 0;

  // Durable when answered. kNotFound: there is no such key.
  virtual void RemoveKey(std::string id, Store::Callback<void> done) = 0;

  // Random text, made once for this store: the same on all nodes and, where jobs are durable,
  // after a restart.
  virtual void Secret(Store::Callback<std::string> done) = 0;

  // Takes up to `wanted` from the rate of `name`: one rate for all nodes. REQUIRES: rate.count > 0.
  virtual void TakeRate(std::string name, Rate rate, int64_t wanted,
                        Store::Callback<RateState> done) = 0;
};

}  // namespace job
