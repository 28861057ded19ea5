#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "base/unique_fd.h"
#include "job/store.h"

namespace store {

// Runs a function soon on the event loop's thread; callable from any thread.
using Post = std::function<void(std::function<void()>)>;

// Callable from any thread. Empty: wall time, and for leases a clock that nobody sets, so that a
// jump of the wall clock makes no job run again. Tests give one, to let leases and records expire.
using Clock = std::function<base::Nanos()>;

// Jobs live in this process's memory and die with it.
std::unique_ptr<job::Store> MakeMemoryStore(job::StoreOptions options, Post post, Clock clock = {});

// Jobs live in the SQLite database `path` (created, mode 0600; WAL, synchronous=FULL). One thread
// of its own does all the work and commits what has queued up together. Blocks while it opens and
// migrates. An exclusive lock file beside the database makes a second process fail with kConflict.
base::Result<std::unique_ptr<job::Store>> OpenSqliteStore(const std::string& path,
                                                          job::StoreOptions options, Post post,
                                                          Clock clock = {});

// The lock that OpenSqliteStore holds; the database file is there afterwards, mode 0600. kConflict:
// another process has it.
base::Result<base::UniqueFd> LockDatabase(const std::string& path);

}  // namespace store
