#include "store/sqlite_keys.h"

#include <utility>
#include <vector>

#include "base/text.h"
#include "job/json.h"
#include "store/local_keys.h"
#include "store/rules.h"
#include "store/sqlite_schema.h"

namespace store {

using base::Result;

Result<uint64_t> SqliteKeys::Revision() {
  Statement read = db_.Use("SELECT value FROM counters WHERE name = 'keys'");
  const uint64_t revision = read.Next() ? static_cast<uint64_t>(read.Int(0)) : 0;
  const Result<void> status = read.status();
  return status ? Result<uint64_t>(revision) : status.error();
}

Result<void> SqliteKeys::Touch() {
  return db_.Use("UPDATE counters SET value = value + 1 WHERE name = 'keys'").Run();
}

Result<job::KeySet> SqliteKeys::Read(std::optional<uint64_t> known) {
  const Result<uint64_t> revision = Revision();
  if (!revision) {
    return revision.error();
  }
  job::KeySet set{*revision, std::nullopt};
  if (known == *revision) {
    return set;
  }
  set.keys.emplace();
  Statement select = db_.Use("SELECT record FROM keys ORDER BY rowid");
  while (select.Next()) {
    Result<job::Key> key = job::DecodeKey(select.Text(0));
    if (!key) {
      return key.error();
    }
    set.keys->push_back(std::move(*key));
  }
  const Result<void> status = select.status();
  return status ? Result<job::KeySet>(std::move(set)) : status.error();
}

Result<void> SqliteKeys::Add(const job::Key& key) {
  {
    Statement count = db_.Use("SELECT COUNT(*) FROM keys");
    const bool full = count.Next() && count.Int(0) >= static_cast<int64_t>(job::kMaxKeys);
    if (const Result<void> status = count.status(); !status || full) {
      return status ? TooManyKeys() : status;
    }
  }
  const std::string record = job::EncodeKey(key);
  const Result<void> added =
      db_.Use("INSERT INTO keys (id, record) VALUES (?, ?)").Bind(key.id).Bind(record).Run();
  if (!added) {
    return added.error().kind == base::ErrorKind::kConflict ? DuplicateKey() : added;
  }
  return Touch();
}

Result<void> SqliteKeys::Remove(const std::string& id) {
  if (Result<void> removed = db_.Use("DELETE FROM keys WHERE id = ?").Bind(id).Run(); !removed) {
    return removed;
  }
  return db_.changes() == 0 ? NoSuchKey() : Touch();
}

Result<std::string> SqliteKeys::Secret() {
  const std::string fresh = base::RandomId(kStoreSecretBytes);
  Result<void> made =
      db_.Use("INSERT INTO secrets (name, value) VALUES ('store', ?) ON CONFLICT DO NOTHING")
          .Bind(fresh)
          .Run();
  if (!made) {
    return made.error();
  }
  Statement read = db_.Use("SELECT value FROM secrets WHERE name = 'store'");
  std::string secret(read.Next() ? read.Text(0) : "");
  made = read.status();
  return made ? Result<std::string>(std::move(secret)) : made.error();
}

namespace {

// Each call is a transaction of its own.
class DirectKeys final : public job::KeyStore {
 public:
  DirectKeys(std::unique_ptr<Connection> db, Post post)
      : db_(std::move(db)), keys_(*db_), post_(post), rates_(std::move(post), base::MonotonicNow) {}

  void ReadKeys(std::optional<uint64_t> known, job::Store::Callback<job::KeySet> done) override {
    Do<job::KeySet>([&] { return keys_.Read(known); }, std::move(done));
  }

  void AddKey(job::Key key, job::Store::Callback<void> done) override {
    Do<void>([&] { return keys_.Add(key); }, std::move(done));
  }

  void RemoveKey(std::string id, job::Store::Callback<void> done) override {
    Do<void>([&] { return keys_.Remove(id); }, std::move(done));
  }

  void Secret(job::Store::Callback<std::string> done) override {
    Do<std::string>([&] { return keys_.Secret(); }, std::move(done));
  }

  void TakeRate(std::string name, job::Rate rate, int64_t wanted,
                job::Store::Callback<job::RateState> done) override {
    rates_.Take(name, rate, wanted, std::move(done));
  }

 private:
  template <typename T, typename F>
  void Do(F work, job::Store::Callback<T> done) {
    Result<void> begun = db_->Execute("BEGIN IMMEDIATE");
    Result<T> result = begun ? work() : Result<T>(begun.error());
    if (begun) {
      const Result<void> ended = db_->Execute(result ? "COMMIT" : "ROLLBACK");
      if (!ended && result) {
        result = ended.error();
      }
    }
    post_([result = std::move(result), done = std::move(done)] { done(result); });
  }

  const std::unique_ptr<Connection> db_;
  SqliteKeys keys_;
  const Post post_;
  LocalRates rates_;
};

}  // namespace

Result<std::unique_ptr<job::KeyStore>> OpenSqliteKeys(const std::string& path, Post post) {
  // Who has the lock may change the schema; who has not takes it as it is.
  Result<base::UniqueFd> lock = LockDatabase(path);
  const bool in_use = !lock && lock.error().kind == base::ErrorKind::kConflict;
  if (!lock && !in_use) {
    return lock.error();
  }
  Result<std::unique_ptr<Connection>> db = Connection::Open(path);
  Result<void> ready = db ? Result<void>() : Result<void>(db.error());
  if (ready) {
    ready = in_use ? CheckDatabase(**db) : PrepareDatabase(**db);
  }
  if (!ready) {
    base::Error error = ready.error();
    error.message = path + ": " + error.message;
    return error;
  }
  return std::unique_ptr<job::KeyStore>(
      std::make_unique<DirectKeys>(std::move(*db), std::move(post)));
}

}  // namespace store
