#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "job/job.h"
#include "job/store.h"

// What every store answers in the same words. Thread-safe.
namespace store {

base::Error QueueFull();
base::Error TenantQueueFull();
base::Error TenantBusy();
base::Error DuplicateId();
base::Error NoSuchJob();
base::Error NoSuchKey();
base::Error DuplicateKey();
base::Error TooManyKeys();
base::Error StaleToken();

// Random bytes of KeyStore::Secret, before they are made text.
constexpr size_t kStoreSecretBytes = 32;

// Why a job failed whose lease expired once too often.
std::string AttemptsUsedUp(int64_t attempts);

// kInvalidArgument unless the status is final and comes with what it needs.
base::Result<void> CheckOutcome(const job::Outcome& outcome);

// True when the record counts as removed, swept or not.
bool IsPastTtl(const job::Job& job, const job::StoreOptions& options, base::Nanos now);

// Records that one List looks at, at most.
constexpr int kListScan = 5000;

// A record's place in a list: created_at, then id.
using ListKey = std::pair<base::Nanos, std::string>;

// Where the query's page begins: just before this key. kInvalidArgument: the query is none.
base::Result<ListKey> CheckListQuery(const job::ListQuery& query);

// Opaque to clients, fit for a URL when the id is.
std::string EncodeCursor(const ListKey& last);

// Where the query goes on behind a job that it has looked at. The id of a job of others is not
// told: then it goes on behind all that were created in the same nanosecond.
std::string CursorBehind(const job::Job& job, const job::ListQuery& query);

// True when the record belongs into the list. Cursor and limit are the caller's.
bool IsListed(const job::Job& job, const job::ListQuery& query);

}  // namespace store
