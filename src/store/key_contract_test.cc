// What every store promises of API keys.
#include <string>

#include "job/key_store.h"
#include "store/sqlite_keys.h"
#include "store/store_test_base.h"

namespace store {
namespace {

using base::ErrorKind;

job::Key MakeKey(const std::string& id) {
  job::Key key;
  key.id = id;
  key.name = "name-" + id;
  key.hash = job::HashSecret("secret of " + id);
  key.created_at = 1'700'000'000'123'456'789;
  key.admin = id == "admin";
  key.rate = {600, base::kMinute};
  key.max_running = 3;
  key.languages = {"python", "c++"};
  key.max_timeout = 1500 * base::kMillisecond;
  key.max_limits.memory_bytes = 1 << 20;
  key.max_limits.cpu_time = base::kSecond;
  return key;
}

class KeyContract : public StoreTest {
 protected:
  base::Result<job::KeySet> Read(job::Store& store, std::optional<uint64_t> known = {}) {
    return Call<job::KeySet>([&](auto done) { store.keys()->ReadKeys(known, done); });
  }

  base::Result<void> Add(const std::string& id) {
    return Call<void>([&](auto done) { store_->keys()->AddKey(MakeKey(id), done); });
  }

  base::Result<void> Remove(const std::string& id) {
    return Call<void>([&](auto done) { other().keys()->RemoveKey(id, done); });
  }

  std::string Secret(job::Store& store) {
    const auto secret = Call<std::string>([&](auto done) { store.keys()->Secret(done); });
    EXPECT_TRUE(secret.has_value());
    return secret ? *secret : "";
  }
};

INSTANTIATE_TEST_SUITE_P(All, KeyContract, testing::ValuesIn(StoreKinds()),
                         [](const auto& kind) { return kind.param; });

TEST_P(KeyContract, AKeyIsReadAsItWasAdded) {
  ASSERT_TRUE(Add("a").has_value());
  const auto read = Read(other());
  ASSERT_TRUE(read.has_value());
  ASSERT_EQ(read->keys->size(), 1U);
  const job::Key& key = read->keys->front();
  const job::Key made = MakeKey("a");
  EXPECT_EQ(key.id, made.id);
  EXPECT_EQ(key.name, made.name);
  EXPECT_EQ(key.hash, made.hash);
  EXPECT_EQ(key.created_at, made.created_at);
  EXPECT_EQ(key.admin, made.admin);
  EXPECT_EQ(key.rate.count, made.rate.count);
  EXPECT_EQ(key.rate.period, made.rate.period);
  EXPECT_EQ(key.max_running, made.max_running);
  EXPECT_EQ(key.max_queued, 0);
  EXPECT_EQ(key.languages, made.languages);
  EXPECT_EQ(key.max_timeout, made.max_timeout);
  EXPECT_EQ(key.max_limits.memory_bytes, made.max_limits.memory_bytes);
  EXPECT_EQ(key.max_limits.cpu_time, made.max_limits.cpu_time);
}

TEST_P(KeyContract, TheRevisionTellsOfEachChange) {
  const auto none = Read(*store_);
  ASSERT_TRUE(none.has_value());
  EXPECT_EQ(none->revision, 0U);
  EXPECT_TRUE(none->keys->empty());
  EXPECT_FALSE(Read(*store_, 0)->keys.has_value());
  ASSERT_TRUE(Add("a").has_value());
  const auto first = Read(other(), 0);
  ASSERT_EQ(first->keys->size(), 1U);
  EXPECT_GT(first->revision, 0U);
  EXPECT_FALSE(Read(other(), first->revision)->keys.has_value());
  ASSERT_TRUE(Remove("a").has_value());
  const auto last = Read(*store_, first->revision);
  ASSERT_TRUE(last->keys.has_value());
  EXPECT_TRUE(last->keys->empty());
  EXPECT_GT(last->revision, first->revision);  // there was a key once
}

TEST_P(KeyContract, WhatCannotBeDoneChangesNothing) {
  ASSERT_TRUE(Add("a").has_value());
  const auto before = Read(*store_);
  EXPECT_FAILS(Add("a"), ErrorKind::kConflict);
  EXPECT_FAILS(Remove("b"), ErrorKind::kNotFound);
  EXPECT_FALSE(Read(*store_, before->revision)->keys.has_value());
}

TEST_P(KeyContract, KeysAndSecretOutliveARestart) {
  ASSERT_TRUE(Add("a").has_value());
  const std::string secret = Secret(*store_);
  EXPECT_GE(secret.size(), 32U);
  EXPECT_EQ(Secret(other()), secret);
  Open();
  EXPECT_EQ(Read(*store_)->keys->size(), kind_->durable() ? 1U : 0U);
  EXPECT_EQ(Secret(*store_) == secret, kind_->durable());
}

// The command line uses the database beside the service.
TEST(SqliteKeys, AreChangedBesideTheStoreThatHasTheLock) {
  SqliteKind kind;
  Loop loop;
  job::StoreOptions options;
  const auto store = kind.Open(options, loop, base::WallNow);
  ASSERT_TRUE(store.has_value());
  auto keys = OpenSqliteKeys(kind.path(), loop.post());
  ASSERT_TRUE(keys.has_value()) << keys.error().message;
  bool added = false;
  (*keys)->AddKey(MakeKey("a"), [&](const auto& result) { added = result.has_value(); });
  ASSERT_TRUE(loop.RunUntil([&] { return added; }));
  std::optional<job::KeySet> seen;
  (*store)->keys()->ReadKeys(0, [&](const auto& read) { seen = *read; });
  ASSERT_TRUE(loop.RunUntil([&] { return seen.has_value(); }));
  EXPECT_EQ(seen->keys->size(), 1U);
}

}  // namespace
}  // namespace store
