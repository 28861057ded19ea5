#include "store/sqlite_reads.h"

#include <string_view>

#include "job/json.h"
#include "store/rules.h"
#include "store/sqlite_schema.h"

namespace store {
namespace {

using base::Result;
using job::Status;

// The columns of kList and kListRunning.
job::Job Metadata(const Statement& row, Status status) {
  job::Job job;
  job.id = row.Text(0);
  job.status = status;
  job.created_at = row.Int(2);
  job.started_at = row.Int(3);
  job.finished_at = row.Int(4);
  job.attempts = static_cast<int>(row.Int(5));
  job.error = row.Text(6);
  job.tenant = row.Text(7);
  job.submission.language = row.Text(8);
  job.submission.priority = static_cast<int>(row.Int(9));
  job.run = static_cast<uint64_t>(row.Int(10));
  return job;
}

// A newer program may have left what this one does not know.
Result<Status> ReadStatus(std::string_view id, int64_t stored) {
  if (stored < 0 || stored > static_cast<int64_t>(Status::kCancelled)) {
    return base::Internal("database: job " + std::string(id) + " has the unknown status " +
                          std::to_string(stored));
  }
  return static_cast<Status>(stored);
}

}  // namespace

Result<job::Job> SqliteReads::Get(const std::string& id) {
  Statement select = db_.Use(
      "SELECT status, created_at, started_at, finished_at, attempts, error, submission, result,"
      " tenant, run"
      " FROM jobs JOIN submissions USING (place) LEFT JOIN results USING (place) WHERE id = ?");
  if (!select.Bind(id).Next()) {
    const Result<void> end = select.status();
    return end ? NoSuchJob() : end.error();
  }
  job::Job job;
  job.id = id;
  const Result<Status> status = ReadStatus(id, select.Int(0));
  if (!status) {
    return status.error();
  }
  job.status = *status;
  job.created_at = select.Int(1);
  job.started_at = select.Int(2);
  job.finished_at = select.Int(3);
  job.attempts = static_cast<int>(select.Int(4));
  job.error = select.Text(5);
  job.tenant = select.Text(8);
  job.run = static_cast<uint64_t>(select.Int(9));
  if (IsPastTtl(job, options_, clock_())) {
    return NoSuchJob();
  }
  if (Result<job::Submission> submission = job::DecodeSubmission(select.Text(6))) {
    job.submission = std::move(*submission);
  } else if (job.status != Status::kFailed) {  // else its error says so
    return submission.error();
  }
  if (!select.IsNull(7)) {
    Result<job::Result> result = job::DecodeResult(select.Text(7));
    if (!result) {
      return result.error();
    }
    job.result = std::move(*result);
  }
  return job;
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
    const Result<Status> status = ReadStatus(select.Text(0), select.Int(1));
    if (!status) {
      return status.error();
    }
    job::Job job = Metadata(select, *status);
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
