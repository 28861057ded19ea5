#include "store/rules.h"

namespace store {

base::Error QueueFull() {
  return {base::ErrorKind::kExhausted, "the queue is full", 0};
}

base::Error DuplicateId() {
  return {base::ErrorKind::kConflict, "a job with this id exists", 0};
}

base::Error NoSuchJob() {
  return {base::ErrorKind::kNotFound, "no such job", 0};
}

base::Error StaleToken() {
  return {base::ErrorKind::kConflict, "the lease has ended: its token is no longer current", 0};
}

std::string AttemptsUsedUp(int64_t attempts) {
  return "The worker that ran the job was lost in each of " + std::to_string(attempts) +
         (attempts == 1 ? " attempt." : " attempts.");
}

base::Result<void> CheckOutcome(const job::Outcome& outcome) {
  if (!job::IsFinal(outcome.status)) {
    return base::InvalidArgument("an outcome needs a final status");
  }
  if ((outcome.status == job::Status::kCompleted) != outcome.result.has_value()) {
    return base::InvalidArgument("an outcome has a result exactly when it is completed");
  }
  return {};
}

bool IsPastTtl(const job::Job& job, const job::StoreOptions& options, base::Nanos now) {
  return job::IsFinal(job.status) && job.finished_at <= now - options.job_ttl;
}

}  // namespace store
