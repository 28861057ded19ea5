// The part of SqliteJobs that keeps webhooks.
#include <utility>

#include "store/sqlite_jobs.h"

namespace store {

using base::Result;

Result<std::vector<job::Delivery>> SqliteJobs::TakeDue(int max, base::Nanos hold) {
  std::vector<std::pair<std::string, int>> due;
  {
    Statement take = db_->Use(
        "UPDATE jobs SET tell_at = ? WHERE place IN (SELECT place FROM jobs WHERE tell_at > 0 AND"
        " status >= 2 AND tell_at <= ? ORDER BY tell_at LIMIT ?) RETURNING id, told");
    const base::Nanos now = clock_();
    take.Bind(now + hold).Bind(now).Bind(max);
    while (take.Next()) {
      due.emplace_back(take.Text(0), static_cast<int>(take.Int(1)));
    }
    if (Result<void> status = take.status(); !status) {
      return status.error();
    }
  }
  std::vector<job::Delivery> taken;
  for (const auto& [id, attempts] : due) {
    Result<job::Job> job = reads_.Get(id);
    if (job) {  // else it has just expired, or cannot be read: then it is never told
      taken.push_back({std::move(*job), attempts});
    }
  }
  return taken;
}

Result<void> SqliteJobs::Postpone(const std::string& id, int attempts, base::Nanos pause) {
  return db_->Use("UPDATE jobs SET tell_at = ?, told = ? WHERE id = ? AND tell_at > 0")
      .Bind(clock_() + pause)
      .Bind(attempts)
      .Bind(id)
      .Run();
}

Result<void> SqliteJobs::Settle(const std::string& id) {
  return db_->Use("UPDATE jobs SET tell_at = 0 WHERE id = ?").Bind(id).Run();
}

}  // namespace store
