#include "store/sqlite_connection.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace store {
namespace {

// How long another process (a backup, a curious operator) may hold the database before a commit
// fails.
constexpr int kBusyTimeoutMs = 5000;

base::Error SqliteError(sqlite3* db, int code) {
  const bool unique = (code & 0xFF) == SQLITE_CONSTRAINT &&
                      (sqlite3_extended_errcode(db) == SQLITE_CONSTRAINT_UNIQUE ||
                       sqlite3_extended_errcode(db) == SQLITE_CONSTRAINT_PRIMARYKEY);
  return {unique ? base::ErrorKind::kConflict : base::ErrorKind::kUnavailable,
          std::string("database: ") + (db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code)),
          db != nullptr ? sqlite3_system_errno(db) : 0};
}

}  // namespace

Statement::Statement(sqlite3* db, sqlite3_stmt* prepared) : db_(db), prepared_(prepared) {
  if (prepared_ == nullptr) {
    error_ = SqliteError(db_, sqlite3_errcode(db_));
  }
}

Statement::~Statement() {
  sqlite3_reset(prepared_);
  sqlite3_clear_bindings(prepared_);
}

void Statement::Check(int code) {
  if (code != SQLITE_OK && !error_) {
    error_ = SqliteError(db_, code);
  }
}

Statement& Statement::Bind(int64_t value) {
  if (!error_) {
    Check(sqlite3_bind_int64(prepared_, ++bound_, value));
  }
  return *this;
}

Statement& Statement::Bind(std::string_view value) {
  if (!error_) {
    const char* data = value.data() != nullptr ? value.data() : "";  // a null pointer binds NULL
    Check(sqlite3_bind_text64(prepared_, ++bound_, data, value.size(), SQLITE_STATIC, SQLITE_UTF8));
  }
  return *this;
}

bool Statement::Next() {
  if (error_) {
    return false;
  }
  const int code = sqlite3_step(prepared_);
  if (code != SQLITE_ROW && code != SQLITE_DONE) {
    error_ = SqliteError(db_, code);
  }
  return code == SQLITE_ROW;
}

base::Result<void> Statement::Run() {
  while (Next()) {
  }
  return status();
}

base::Result<void> Statement::status() const {
  return error_ ? base::Result<void>(*error_) : base::Result<void>();
}

int64_t Statement::Int(int column) const {
  return sqlite3_column_int64(prepared_, column);
}

std::string_view Statement::Text(int column) const {
  const void* data = sqlite3_column_blob(prepared_, column);
  return {static_cast<const char*>(data),
          static_cast<size_t>(sqlite3_column_bytes(prepared_, column))};
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(prepared_, column) == SQLITE_NULL;
}

base::Result<std::unique_ptr<Connection>> Connection::Open(const std::string& path) {
  return OpenAs(path, SQLITE_OPEN_READWRITE);
}

base::Result<std::unique_ptr<Connection>> Connection::OpenForReading(const std::string& path) {
  return OpenAs(path, SQLITE_OPEN_READONLY);
}

base::Result<std::unique_ptr<Connection>> Connection::OpenAs(const std::string& path, int access) {
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &db,
                                   access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  std::unique_ptr<Connection> connection(new Connection(db));  // closes what a failure leaves
  if (code != SQLITE_OK) {
    base::Error error = SqliteError(db, code);
    error.message = path + ": " + error.message;
    return error;
  }
  sqlite3_busy_timeout(db, kBusyTimeoutMs);
  return connection;
}

Connection::~Connection() {
  for (const auto& [sql, prepared] : prepared_) {
    sqlite3_finalize(prepared);
  }
  sqlite3_close(db_);
}

Statement Connection::Use(std::string_view sql) {
  sqlite3_stmt*& prepared = prepared_[sql];
  if (prepared == nullptr) {
    sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                       &prepared, nullptr);
  }
  return {db_, prepared};
}

base::Result<void> Connection::Execute(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? base::Result<void>() : SqliteError(db_, code);
}

void Connection::BlockingLengthenJournal(int64_t bytes) {
  // Who holds this lock is the only one that writes behind what has been committed.
  if (!Execute("BEGIN IMMEDIATE")) {
    return;
  }
  const base::UniqueFd file(::open(sqlite3_filename_wal(sqlite3_db_filename(db_, "main")),
                                   O_WRONLY | O_CLOEXEC | O_NOFOLLOW));

  struct stat info {};

  if (file.valid() && ::fstat(file.get(), &info) == 0 && info.st_size < bytes) {
    const std::string zeros(static_cast<size_t>(bytes - info.st_size), '\0');
    if (::pwrite(file.get(), zeros.data(), zeros.size(), info.st_size) > 0) {
      ::fdatasync(file.get());
    }
  }
  (void)Execute("ROLLBACK");
}

int64_t Connection::changes() const {
  return sqlite3_changes64(db_);
}

int64_t Connection::total_changes() const {
  return sqlite3_total_changes64(db_);
}

}  // namespace store
