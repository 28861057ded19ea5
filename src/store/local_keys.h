#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "job/key.h"
#include "job/key_store.h"
#include "store/stores.h"

namespace store {

// What a process that is alone on its store keeps of rates: in its memory. On the loop's thread.
class LocalRates {
 public:
  LocalRates(Post post, Clock clock) : post_(std::move(post)), clock_(std::move(clock)) {}

  // As job::KeyStore::TakeRate.
  void Take(const std::string& name, const job::Rate& rate, int64_t wanted,
            job::Store::Callback<job::RateState> done);

 private:
  const Post post_;
  const Clock clock_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  job::RateTable rates_{job::kMaxKeys};
};

// All of it in memory. On the loop's thread.
class LocalKeys final : public job::KeyStore {
 public:
  LocalKeys(Post post, Clock clock);

  void ReadKeys(std::optional<uint64_t> known, job::Store::Callback<job::KeySet> done) override;
  void AddKey(job::Key key, job::Store::Callback<void> done) override;
  void RemoveKey(std::string id, job::Store::Callback<void> done) override;
  void Secret(job::Store::Callback<std::string> done) override;
  void TakeRate(std::string name, job::Rate rate, int64_t wanted,
                job::Store::Callback<job::RateState> done) override;

 private:
  template <typename T>
  void Answer(job::Store::Callback<T> done, base::Result<T> result);

  const Post post_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  LocalRates rates_;
  uint64_t revision_ = 0;
  std::map<std::string, job::Key> keys_;  // by id
  const std::string secret_;
};

}  // namespace store
