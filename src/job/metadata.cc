#include "job/metadata.h"

namespace job {

Job Metadata(const Job& job) {
  Job out;
  out.id = job.id;
  out.tenant = job.tenant;
  out.submission.language = job.submission.language;
  out.submission.priority = job.submission.priority;
  out.status = job.status;
  out.created_at = job.created_at;
  out.started_at = job.started_at;
  out.finished_at = job.finished_at;
  out.attempts = job.attempts;
  out.run = job.run;
  out.error = job.error;
  return out;
}

}  // namespace job
