#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

// SQLite's C interface, owned. Not thread-safe: one thread at a time. Every call may block on the
// disk. Errors are kUnavailable, a broken UNIQUE constraint is kConflict.
namespace store {

// One use of a prepared statement; returns it to the connection when destroyed. Values are bound in
// order and must outlive this object. The first error sticks and ends everything.
class Statement {
 public:
  Statement(sqlite3* db, sqlite3_stmt* prepared);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& Bind(int64_t value);
  Statement& Bind(std::string_view value);

  // Moves to the next row; false at the end and after an error: see status().
  bool Next();

  // Steps to the end.
  base::Result<void> Run();

  base::Result<void> status() const;

  // Columns of the current row, counted from 0.
  int64_t Int(int column) const;
  std::string_view Text(int column) const;  // valid until the next step
  bool IsNull(int column) const;

 private:
  void Check(int code);

  sqlite3* db_;
  sqlite3_stmt* prepared_;
  int bound_ = 0;
  std::optional<base::Error> error_;
};

class Connection {
 public:
  static base::Result<std::unique_ptr<Connection>> Open(const std::string& path);

  // The same of a database that another connection of this process has open, which must be closed
  // after this one: for reading alone.
  static base::Result<std::unique_ptr<Connection>> OpenForReading(const std::string& path);

  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Prepares `sql` once and keeps it. REQUIRES: `sql` is a literal, and no other use of it is
  // alive.
  Statement Use(std::string_view sql);

  // Runs one or more statements that return nothing of interest.
  base::Result<void> Execute(const char* sql);

  // Gives the journal a length of `bytes`, in zeros, which SQLite takes for unused. For a commit
  // that makes the file longer the file system has more to write than for one that does not. Blocks
  // until it is on the disk; best effort. REQUIRES: no transaction, and journal_mode = WAL.
  void BlockingLengthenJournal(int64_t bytes);

  // Rows that the last statement changed.
  int64_t changes() const;

  // Rows that all statements have changed.
  int64_t total_changes() const;

 private:
  explicit Connection(sqlite3* db) : db_(db) {}

  static base::Result<std::unique_ptr<Connection>> OpenAs(const std::string& path, int access);

  sqlite3* db_;
  std::map<std::string_view, sqlite3_stmt*> prepared_;
};

}  // namespace store
