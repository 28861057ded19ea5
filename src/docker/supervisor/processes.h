#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

// The processes of one job, as /proc shows them. A job's processes are the descendants of this
// process, which is their subreaper: whoever loses its parent becomes our child. Single-threaded.
namespace docker::supervisor {

struct Tally {
  int64_t tasks = 0;         // processes and threads
  int64_t processes = 0;     // zombies not counted
  int64_t memory_bytes = 0;  // private memory; shared pages once
  int64_t cpu_nanos = 0;     // of the living, and what they have waited for
};

// How the processes of the job are told from others, and killed.
struct Family {
  pid_t supervisor = 0;
  uid_t uid = 0;
  bool own_uid = false;  // nothing but this job has that uid: kill by uid
  bool alone = false;    // this is pid 1 of a container for one job: kill everything
};

// The living descendants.
std::vector<pid_t> Descendants(const Family& family);

// `exact`: private memory is measured page by page, which takes a while.
Tally Measure(const Family& family, bool exact);

// Processes that have this uid, except this one and pid 1; those of jobs only, or all.
std::vector<pid_t> ProcessesOf(uid_t uid, bool jobs_only = false);

// Kills until nothing is left, reaping; false when something is still there at `deadline`.
// `main_status` receives the status of `main_pid` if that is reaped here.
bool KillAll(const Family& family, int64_t deadline, pid_t main_pid, int* main_status);

// Kills all that `uid` runs, from a process of that user. REQUIRES: root, and a uid of its own.
bool KillUser(uid_t uid, int64_t deadline);

// Kills what jobs have left of a user whom others than jobs may use, too: processes with more
// seccomp filters than this one, which every job has. False when some are there at `deadline`.
bool KillJobsOf(uid_t uid, int64_t deadline);

int64_t Now();

}  // namespace docker::supervisor
