#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/result.h"
#include "job/store.h"
#include "store/sqlite_connection.h"
#include "store/stores.h"

namespace store {

// What is only read of the jobs in a SQLite database: within a transaction of the caller's, or each
// call by itself, which then sees what was committed before. Not thread-safe; every method may
// block on the disk.
class SqliteReads {
 public:
  // `clock` is of the wall. The connection must live longer.
  SqliteReads(Connection& db, job::StoreOptions options, Clock clock)
      : db_(db), options_(options), clock_(std::move(clock)) {}

  base::Result<job::Job> Get(const std::string& id);
  base::Result<job::ListPage> List(const job::ListQuery& query);

 private:
  Connection& db_;
  const job::StoreOptions options_;
  const Clock clock_;
};

}  // namespace store
