#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "job/delivery_store.h"
#include "job/store.h"
#include "store/sqlite_connection.h"
#include "store/sqlite_keys.h"
#include "store/sqlite_reads.h"
#include "store/stores.h"
#include "store/watch_list.h"

namespace store {

// The jobs in a SQLite database: what each call of job::Store that writes does, synchronously and
// within a transaction that the caller begins and commits. Not thread-safe; every method may block
// on the disk. A method that answers an error may have written before: the caller rolls back to its
// mark.
class SqliteJobs {
 public:
  // Opens the existing file `path`, brings its schema up to date and counts what it holds.
  static base::Result<std::unique_ptr<SqliteJobs>> Open(const std::string& path,
                                                        job::StoreOptions options, Clock clock);

  // The transaction around a batch of calls. Commit answers the events of the whole batch. One that
  // need not be durable becomes so with the next that is.
  base::Result<void> Begin(bool durable);
  base::Result<Events> Commit();
  void Rollback();

  // A point within the transaction to which one call's changes can be undone.
  base::Result<void> SetMark();
  base::Result<void> KeepMark();
  base::Result<void> RollbackToMark();

  base::Result<void> Submit(const job::Job& job, job::Durability durability);
  base::Result<void> Sync();
  base::Result<std::vector<job::Lease>> LeaseJobs(const std::string& worker, int max);
  base::Result<job::Lease> BeginJob(const std::string& worker, const job::Job& job);
  base::Result<void> Renew(const std::string& id, uint64_t token);
  base::Result<void> Finish(const std::string& id, uint64_t token, const job::Outcome& outcome);
  base::Result<void> Release(const std::string& id, uint64_t token);
  base::Result<job::Job> Cancel(const std::string& id);
  base::Result<int64_t> Recover();

  // Ends expired leases and removes up to kSweepBatch records; answers how many it removed.
  static constexpr int64_t kSweepBatch = 500;
  base::Result<int64_t> Sweep();

  job::StoreStats Stats() const { return counts_; }

  // Whether LeaseJobs may take a job that is durable: then the lease is to be durable, too, or a
  // program that crashes the machine runs again after each restart, its attempts uncounted.
  bool HasDurableQueued() const { return counts_.queued > static_cast<int64_t>(fresh_.size()); }

  // As in job::DeliveryStore.
  base::Result<std::vector<job::Delivery>> TakeDue(int max, base::Nanos hold);
  base::Result<void> Postpone(const std::string& id, int attempts, base::Nanos pause);
  base::Result<void> Settle(const std::string& id);

  // Its calls belong into the same transaction.
  SqliteKeys& keys() { return keys_; }

 private:
  // What is kept beside the database and must be undone together with it: the counts, and how long
  // the lists of events were.
  struct State {
    job::StoreStats counts;
    size_t deferred_written = 0;
    size_t changed = 0;
    size_t cancel = 0;
    size_t leases = 0;
    bool queued = false;
  };

  SqliteJobs(std::unique_ptr<Connection> db, job::StoreOptions options, Clock clock)
      : db_(std::move(db)),
        keys_(*db_),
        options_(options),
        clock_(clock ? clock : base::WallNow),
        reads_(*db_, options, clock_),
        lease_clock_(clock ? clock : base::MonotonicNow) {}

  base::Result<void> CountJobs();
  base::Result<void> Insert(const job::Job& job, uint64_t token, const std::string& worker);
  base::Result<void> InsertRunning(const std::string& worker, job::Lease* lease);
  base::Result<void> InsertQueued(const job::Job& job, job::Durability durability);

  size_t DeferredLeft() const { return deferred_.size() - deferred_written_; }

  base::Result<void> WriteDeferred();
  base::Result<void> BeginLease(job::Lease* lease);
  base::Result<void> TakeTurns(const std::string& tenant);
  // After an end of a lease: the tenant may have been waiting for it.
  base::Result<void> LetNextRun(const std::string& tenant);
  base::Result<std::optional<job::Lease>> LeaseNext(const std::string& worker,
                                                    const std::string& tenant);
  base::Result<void> LeaseTo(const std::string& worker, job::Lease* lease);
  base::Result<int64_t> EndLeases(base::Nanos expired_until);
  base::Result<void> FailUnreadable(const std::string& id, std::string_view why);
  void LeaseEnded(const std::string& id);
  void Restore(const State& state);
  State Now() const;

  std::unique_ptr<Connection> db_;
  SqliteKeys keys_;
  const job::StoreOptions options_;
  const Clock clock_;  // of the wall
  SqliteReads reads_;
  const Clock lease_clock_;  // starts anew with the machine, as leases do with the process
  job::StoreStats counts_;
  std::set<std::string> fresh_;  // queued jobs that may not be durable yet
  // Submitted in this transaction, to be written later in it: a worker that asks meanwhile gets
  // them from here, and they are written once, as running. So many of them, the first, are written.
  std::vector<job::Job> deferred_;
  size_t deferred_written_ = 0;
  bool durable_ = true;  // the transaction is to be, and those before it with it
  int64_t changes_at_begin_ = 0;
  Events events_;  // of the transaction
  State at_begin_;
  State at_mark_;
};

}  // namespace store
