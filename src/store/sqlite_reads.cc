#include "store/sqlite_reads.h"

#include <string_view>

#include "job/json.h"
#include "store/rules.h"
#include "store/sqlite_schema.h"

namespace store {
namespace {

using base::Result;
using job::Status;

// A newer program may have left what this one does not know.
Result<Status> ReadStatus(std::string_view id, int64_t stored) {
  if (stored < 0 || stored > static_cast<int64_t>(Status::kCancelled)) {
    return base::Internal("database: job " + std::string(id) + " has the unknown status " +
                          std::to_string(stored));
  }
  return static_cast<Status>(stored);
}

// What every query here begins with: id, status, created_at, started_at, finished_at, attempts,
// error, tenant, run.
Result<job::Job> Record(const Statement& row) {
  job::Job job;
  job.id = row.Text(0);
  const Result<Status> status = ReadStatus(job.id, row.Int(1));
  if (!status) {
    return status.error();
  }
  job.status = *status;
  job.created_at = row.Int(2);
  job.started_at = row.Int(3);
  job.finished_at = row.Int(4);
  job.attempts = static_cast<int>(row.Int(5));
  job.error = row.Text(6);
  job.tenant = row.Text(7);
  job.run = static_cast<uint64_t>(row.Int(8));
  return job;
}

}  // namespace

Result<job::Job> SqliteReads::Get(const std::string& id) {
  Statement select = db_.Use(
      "SELECT id, status, created_at, started_at, finished_at, attempts, error, tenant, run,"
      " submission, result"
      " FROM jobs JOIN submissions USING (place) LEFT JOIN results USING (place) WHERE id = ?");
  if (!select.Bind(id).Next()) {
    const Result<void> end = select.status();
    return end ? NoSuchJob() : end.error();
  }
  Result<job::Job> record = Record(select);
  if (!record) {
    return record;
  }
  job::Job& job = *record;
  if (IsPastTtl(job, options_, clock_())) {
    return NoSuchJob();
  }
  if (Result<job::Submission> submission = job::DecodeSubmission(select.Text(9))) {
    job.submission = std::move(*submission);
  } else if (job.status != Status::kFailed) {  // else its error says so
    return submission.error();
  }
  if (!select.IsNull(10)) {
    Result<job::Result> result = job::DecodeResult(select.Text(10));
    if (!result) {
      return result.error();
    }
    job.result = std::move(*result);
  }
  return record;
}

Result<job::ListPage> SqliteReads::List(const job::ListQuery& query) {
  const Result<ListKey> before = CheckListQuery(query);
  if (!before) {
    return before.error();
  }
  const base::Nanos now = clock_();
  job::ListPage page;
  int looked_at = 0;
  Statement select = db_.Use(query.status == Status::kRunning ? kListRunning : kList);
  select.Bind(before->first).Bind(before->second).Bind(query.since).Bind(kListScan);
  while (select.Next()) {
    Result<job::Job> record = Record(select);
    if (!record) {
      return record.error();
    }
    job::Job& job = *record;
    job.submission.language = select.Text(9);
    job.submission.priority = static_cast<int>(select.Int(10));
    const std::string cursor = CursorBehind(job, query);
    if (IsListed(job, query) && !IsPastTtl(job, options_, now)) {
      page.jobs.push_back(std::move(job));
    }
    if (static_cast<int>(page.jobs.size()) == query.limit || ++looked_at == kListScan) {
      page.next_cursor = cursor;
      break;
    }
  }
  const Result<void> end = select.status();
  return end ? Result<job::ListPage>(std::move(page)) : end.error();
}

}  // namespace store
