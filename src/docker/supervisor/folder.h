#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/unique_fd.h"

// The folders of jobs below SANDBOX_JOB_DIR, as seen from inside the container. Everything that a
// job can have named is reached by descriptor, without following links and within bounds.
namespace docker::supervisor {

// Which user a job gets, and the lock that says so.
struct Identity {
  uint64_t space = 0;
  uid_t uid = 0;
  bool own_uid = false;  // root gave it a user of its own
  base::UniqueFd lock;
};

// As root: takes the first free user of this container's range, and kills what a lost supervisor
// may have left of it. Else the current user, which all jobs of the container share; the lock is
// shared. False with errno.
bool TakeIdentity(const std::string& root, uint64_t space, Identity* identity);

// True when no other supervisor of this user runs in this container: then what else runs as this
// user is a leftover. Only for a shared user; keeps the lock exclusive until it is closed.
bool IsAlone(const Identity& identity);

// A job's folder: <root>/jobs/<random>, with "box" (the work folder) and "tmp" in it.
struct JobFolder {
  base::UniqueFd parent;  // <root>/jobs
  base::UniqueFd box;
  std::string name;
  std::string path;  // absolute
};

// False with errno.
bool MakeJobFolder(const std::string& parent, const Identity& identity, JobFolder* folder);

// Removes it with all that is in it. False with errno when something is left.
bool RemoveJobFolder(const JobFolder& folder);

// Removes `name` below `dir`, whatever it is, without following links or crossing mounts; at most
// `budget` entries. False with errno.
bool RemoveTree(int dir, const char* name, int64_t* budget);

// Removes what belongs to `uid` at the top of /tmp, /var/tmp and /dev/shm; bounded.
void RemoveLeftovers(uid_t uid);

// As root: kills and removes what lost supervisors have left of any user of this container's range
// that no living one holds.
void TidyUsers(const std::string& root, uint64_t space);

// Removes this identity's job folders, which nobody is left to remove. REQUIRES: its lock is held
// exclusively.
void RemoveAbandoned(const std::string& parent, const Identity& identity);

}  // namespace docker::supervisor
