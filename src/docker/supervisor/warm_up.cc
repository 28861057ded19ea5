#include "docker/supervisor/warm_up.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "docker/supervisor/folder.h"

namespace docker::supervisor {
namespace {

constexpr int64_t kMaxEntries = 1'000'000;
constexpr const char* kStamp = "/warm-up.complete";

bool Exists(const std::string& path) {
  struct stat info {};

  return ::lstat(path.c_str(), &info) == 0;
}

}  // namespace

bool Cache::Begin(const std::string& path) {
  path_ = path;
  building_ = path + ".new";
  lock_.reset(::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  // The other one's time is bounded by its own deadline, and ours by the caller's.
  if (!lock_.valid() || ::flock(lock_.get(), LOCK_EX) != 0) {
    return false;
  }
  complete_ = Exists(path_ + kStamp);
  if (complete_) {
    return true;
  }
  int64_t budget = kMaxEntries;
  return RemoveTree(AT_FDCWD, building_.c_str(), &budget) &&
         RemoveTree(AT_FDCWD, path_.c_str(), &budget) && ::mkdir(building_.c_str(), 0755) == 0;
}

bool Cache::End(bool good) {
  if (good) {
    const base::UniqueFd stamp(
        ::open((building_ + kStamp).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    good = stamp.valid() && ::rename(building_.c_str(), path_.c_str()) == 0;
  }
  if (!good) {
    const int error = errno;
    int64_t budget = kMaxEntries;
    RemoveTree(AT_FDCWD, building_.c_str(), &budget);
    errno = error;
    return false;
  }
  return true;
}

}  // namespace docker::supervisor
