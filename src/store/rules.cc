#include "store/rules.h"

#include <charconv>
#include <limits>

#include "job/key.h"

namespace store {

base::Error QueueFull() {
  return {base::ErrorKind::kExhausted, "the queue is full", 0};
}

base::Error TenantQueueFull() {
  return {base::ErrorKind::kExhausted, "the key has as many jobs in the queue as it may", 0};
}

base::Error TenantBusy() {
  return {base::ErrorKind::kExhausted, "the key has as many jobs running as it may", 0};
}

base::Error DuplicateId() {
  return {base::ErrorKind::kConflict, "a job with this id exists", 0};
}

base::Error NoSuchJob() {
  return {base::ErrorKind::kNotFound, "no such job", 0};
}

base::Error NoSuchKey() {
  return {base::ErrorKind::kNotFound, "no such key", 0};
}

base::Error DuplicateKey() {
  return {base::ErrorKind::kConflict, "a key with this id exists", 0};
}

base::Error TooManyKeys() {
  return {base::ErrorKind::kExhausted,
          "there are " + std::to_string(job::kMaxKeys) + " keys already: revoke some first", 0};
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

base::Result<ListKey> CheckListQuery(const job::ListQuery& query) {
  if (query.limit < 1 || query.limit > job::kMaxListLimit) {
    return base::InvalidArgument("a list's limit is 1 to " + std::to_string(job::kMaxListLimit));
  }
  if (query.cursor.empty()) {
    return ListKey{std::numeric_limits<base::Nanos>::max(), ""};
  }
  ListKey key;
  const char* const end = query.cursor.data() + query.cursor.size();
  const auto [rest, error] = std::from_chars(query.cursor.data(), end, key.first);
  if (error != std::errc() || key.first < 0 || rest == end || *rest != '.') {
    return base::InvalidArgument("a cursor must be the next_cursor of a page before");
  }
  key.second.assign(rest + 1, end);
  return key;
}

std::string EncodeCursor(const ListKey& last) {
  return std::to_string(last.first) + "." + last.second;
}

std::string CursorBehind(const job::Job& job, const job::ListQuery& query) {
  const bool foreign = !query.tenant.empty() && job.tenant != query.tenant;
  return EncodeCursor({job.created_at, foreign ? "" : job.id});
}

bool IsListed(const job::Job& job, const job::ListQuery& query) {
  return (query.tenant.empty() || job.tenant == query.tenant) &&
         (query.language.empty() || job.submission.language == query.language) &&
         (!query.status || job.status == *query.status) && job.created_at >= query.since;
}

}  // namespace store
