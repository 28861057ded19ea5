#pragma once

#include <string>

#include "base/result.h"
#include "job/job.h"
#include "job/store.h"

// What every store answers in the same words. Thread-safe.
namespace store {

base::Error QueueFull();
base::Error DuplicateId();
base::Error NoSuchJob();
base::Error StaleToken();

// Why a job failed whose lease expired once too often.
std::string AttemptsUsedUp(int64_t attempts);

// kInvalidArgument unless the status is final and comes with what it needs.
base::Result<void> CheckOutcome(const job::Outcome& outcome);

// True when the record counts as removed, swept or not.
bool IsPastTtl(const job::Job& job, const job::StoreOptions& options, base::Nanos now);

}  // namespace store
