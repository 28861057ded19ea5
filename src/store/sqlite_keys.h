#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "job/key_store.h"
#include "store/sqlite_connection.h"
#include "store/stores.h"

namespace store {

// The keys in a SQLite database: what each call of job::KeyStore does, synchronously and within a
// transaction of the caller's. Not thread-safe; every method may block on the disk.
class SqliteKeys {
 public:
  explicit SqliteKeys(Connection& db) : db_(db) {}

  base::Result<job::KeySet> Read(std::optional<uint64_t> known);
  base::Result<void> Add(const job::Key& key);
  base::Result<void> Remove(const std::string& id);
  base::Result<std::string> Secret();

 private:
  base::Result<uint64_t> Revision();
  base::Result<void> Touch();

  Connection& db_;
};

// The keys of the database `path`, which another process may be using: for the command line. The
// calls block and answer through `post`. Made when it is not there. kConflict: the process that
// uses it has another version.
base::Result<std::unique_ptr<job::KeyStore>> OpenSqliteKeys(const std::string& path, Post post);

}  // namespace store
