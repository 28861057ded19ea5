#pragma once

#include "job/job.h"

namespace job {

// What of a job is small: without its result, and of its submission language and priority only.
Job Metadata(const Job& job);

}  // namespace job
