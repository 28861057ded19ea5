#include "docker/supervisor/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "docker/supervisor/processes.h"
#include "linux/syscall.h"

namespace docker::supervisor {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int kUsers = 128;  // jobs of one container at once
constexpr int64_t kMaxRemoved = 1'000'000;
constexpr int kMaxDepth = 200;

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

using Dir = std::unique_ptr<DIR, CloseDir>;

Dir OpenDir(int at, const char* name) {
  base::UniqueFd fd(::openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  Dir dir(fd.valid() ? ::fdopendir(fd.get()) : nullptr);
  if (dir) {
    fd.release();
  }
  return dir;
}

// Also when its owner has closed it to itself. Never through a link: somebody else may swap names
// in a folder that the job has left open to all.
Dir OpenClosedDir(int at, const char* name) {
  Dir dir = OpenDir(at, name);
  if (!dir && errno == EACCES) {
    const base::UniqueFd fd(::openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    char path[40];
    std::snprintf(path, sizeof(path), "/proc/self/fd/%d", fd.get());
    if (!fd.valid() || ::chmod(path, 0700) != 0) {
      return nullptr;
    }
    dir = OpenDir(at, name);
  }

  struct stat info {};

  // Nothing can be removed from a folder that cannot be written.
  if (dir && ::fstat(::dirfd(dir.get()), &info) == 0 && info.st_uid == ::geteuid() &&
      (info.st_mode & S_IRWXU) != S_IRWXU) {
    ::fchmod(::dirfd(dir.get()), 0700);
  }
  return dir;
}

bool IsDot(const char* name) {
  return std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0;
}

// The first user id of this container's range. Process counts are kept per user over all containers
// of a machine, so containers must not share ids, where there are enough of them.
uid_t FirstUser(uint64_t space) {
  constexpr uint32_t kBase = 0x50000000;
  constexpr uint32_t kRanges = 1U << 21;
  constexpr uint32_t kSmallBase = 20000;
  constexpr uint32_t kSmallRanges = 350;
  char text[256];
  unsigned long length = 0;
  const bool all = linux::ReadFileAt(AT_FDCWD, "/proc/self/uid_map", text, sizeof(text)) > 0 &&
                   // NOLINTNEXTLINE(cert-err34-c): the kernel's numbers
                   std::sscanf(text, "%*u %*u %lu", &length) == 1 && length >= 0x7FFFFFFF;
  return all ? kBase + static_cast<uint32_t>(space % kRanges) * kUsers
             : kSmallBase + static_cast<uint32_t>(space % kSmallRanges) * kUsers;
}

base::UniqueFd OpenLock(const std::string& root, uint64_t space, unsigned long id,
                        int create = O_CREAT) {
  char name[64];
  std::snprintf(name, sizeof(name), "/locks/%016llx-%lu", static_cast<unsigned long long>(space),
                id);
  return base::UniqueFd(
      ::open((root + name).c_str(), O_RDWR | create | O_NOFOLLOW | O_CLOEXEC, 0600));
}

// Tells whose folder it is: that of a user in a container, who holds the lock of the same name.
std::string Prefix(const Identity& identity) {
  char text[48];
  std::snprintf(text, sizeof(text), "%016llx-%u-", static_cast<unsigned long long>(identity.space),
                identity.uid);
  return text;
}

struct Removal {
  int top = -1;  // the folder whose content is removed
  dev_t device = 0;
  int64_t* budget = nullptr;
  unsigned moved = 0;
};

// A name that nobody can guess; empty with errno.
std::string RandomName() {
  uint64_t random[2];
  char name[40] = "";
  if (::getrandom(random, sizeof(random), 0) == sizeof(random)) {
    std::snprintf(name, sizeof(name), "%016llx%016llx", static_cast<unsigned long long>(random[0]),
                  static_cast<unsigned long long>(random[1]));
  }
  return name;
}

bool MoveTo(int top, int at, const char* name) {
  const std::string target = RandomName();
  return !target.empty() && ::renameat(at, name, top, target.c_str()) == 0;
}

// Folders that lie too deep are moved to the top, for another pass: every level that is open needs
// a descriptor.
bool RemoveEntries(DIR* dir, int depth, Removal* removal) {
  bool ok = true;
  while (const dirent* entry = ::readdir(dir)) {  // NOLINT(concurrency-mt-unsafe): one thread
    if (IsDot(entry->d_name)) {
      continue;
    }
    if (--*removal->budget < 0) {
      errno = E2BIG;
      return false;
    }
    const int at = ::dirfd(dir);
    if (::unlinkat(at, entry->d_name, 0) == 0 || errno == ENOENT) {
      continue;
    }

    struct stat info {};

    // Within its own file system only: what somebody has mounted there is not the job's.
    if (::fstatat(at, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(info.st_mode) ||
        info.st_dev != removal->device) {
      ok = false;
      continue;
    }
    const Dir inner = OpenClosedDir(at, entry->d_name);
    if (depth >= kMaxDepth) {
      removal->moved += 1;
      ok = inner && MoveTo(removal->top, at, entry->d_name) && ok;
      continue;
    }
    ok = inner && RemoveEntries(inner.get(), depth + 1, removal) && ok;
    ok = ::unlinkat(at, entry->d_name, AT_REMOVEDIR) == 0 && ok;
  }
  return ok;
}

// Also those that are new while it works; what cannot be removed ends it.
template <typename Wanted>
void RemoveWhere(const char* folder, Wanted wanted) {
  constexpr size_t kAtOnce = 10'000;
  const Dir dir = OpenDir(AT_FDCWD, folder);
  int64_t budget = kMaxRemoved;
  bool progress = static_cast<bool>(dir);
  while (progress && budget > 0) {
    std::vector<std::string> names;
    ::rewinddir(dir.get());
    for (const dirent* entry = nullptr;
         // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
         names.size() < kAtOnce && (entry = ::readdir(dir.get())) != nullptr;) {
      if (!IsDot(entry->d_name) && wanted(::dirfd(dir.get()), entry->d_name)) {
        names.emplace_back(entry->d_name);
      }
    }
    progress = false;
    for (const std::string& name : names) {
      --budget;
      progress = RemoveTree(::dirfd(dir.get()), name.c_str(), &budget) || progress;
    }
  }
}

}  // namespace

bool TakeIdentity(const std::string& root, uint64_t space, Identity* identity) {
  identity->space = space;
  if (::geteuid() != 0) {
    identity->uid = ::geteuid();
    identity->lock = OpenLock(root, space, identity->uid);
    return identity->lock.valid() && ::flock(identity->lock.get(), LOCK_SH | LOCK_NB) == 0;
  }
  const uid_t first = FirstUser(space);
  for (unsigned i = 0; i < kUsers; ++i) {
    base::UniqueFd lock = OpenLock(root, space, first + i);
    if (!lock.valid()) {
      return false;
    }
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) {
      identity->uid = first + i;
      identity->own_uid = true;
      identity->lock = std::move(lock);
      if (!KillUser(identity->uid, Now() + 5 * kSecond)) {
        errno = EBUSY;
        return false;
      }
      return true;
    }
  }
  errno = EAGAIN;
  return false;
}

bool IsAlone(const Identity& identity) {
  return identity.own_uid || ::flock(identity.lock.get(), LOCK_EX | LOCK_NB) == 0;
}

bool MakeJobFolder(const std::string& parent, const Identity& identity, JobFolder* folder) {
  const std::string name = RandomName();
  if (name.empty()) {
    return false;
  }
  folder->name = Prefix(identity) + name;
  folder->path = parent + "/" + folder->name;
  folder->parent.reset(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder->parent.valid() || ::mkdirat(folder->parent.get(), folder->name.c_str(), 0700) != 0) {
    return false;
  }
  const base::UniqueFd own(::openat(folder->parent.get(), folder->name.c_str(),
                                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!own.valid()) {
    return false;
  }
  for (const char* inner : {"box", "tmp"}) {
    if (::mkdirat(own.get(), inner, 0700) != 0 ||
        (identity.own_uid &&
         ::fchownat(own.get(), inner, identity.uid, identity.uid, AT_SYMLINK_NOFOLLOW) != 0)) {
      return false;
    }
  }
  // The job passes through but cannot rename what is in it, where root owns it.
  if (identity.own_uid && ::fchmod(own.get(), 0711) != 0) {
    return false;
  }
  folder->box.reset(::openat(own.get(), "box", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  return folder->box.valid();
}

bool RemoveTree(int dir, const char* name, int64_t* budget) {
  if (::unlinkat(dir, name, 0) == 0 || errno == ENOENT) {
    return true;
  }

  struct stat info {};

  if (::fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(info.st_mode)) {
    return false;
  }
  const Dir inner = OpenClosedDir(dir, name);
  if (!inner) {
    return false;
  }
  Removal removal;
  removal.top = ::dirfd(inner.get());
  removal.device = info.st_dev;
  removal.budget = budget;
  for (unsigned before = 0;; before = removal.moved) {
    if (!RemoveEntries(inner.get(), 0, &removal)) {
      return false;
    }
    if (removal.moved == before) {
      return ::unlinkat(dir, name, AT_REMOVEDIR) == 0;
    }
    ::rewinddir(inner.get());
  }
}

bool RemoveJobFolder(const JobFolder& folder) {
  int64_t budget = kMaxRemoved;
  return folder.name.empty() || RemoveTree(folder.parent.get(), folder.name.c_str(), &budget);
}

void RemoveLeftovers(uid_t uid) {
  for (const char* folder : {"/tmp", "/dev/shm", "/var/tmp"}) {
    RemoveWhere(folder, [uid](int at, const char* name) {
      struct stat info {};

      return ::fstatat(at, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && info.st_uid == uid;
    });
  }
}

void RemoveAbandoned(const std::string& parent, const Identity& identity) {
  const std::string prefix = Prefix(identity);
  RemoveWhere(parent.c_str(), [&](int, const char* name) {
    return std::strncmp(name, prefix.c_str(), prefix.size()) == 0;
  });
}

void TidyUsers(const std::string& root, uint64_t space) {
  const uid_t first = FirstUser(space);
  for (unsigned i = 0; i < kUsers; ++i) {
    Identity identity;
    identity.space = space;
    identity.uid = first + i;
    identity.own_uid = true;
    identity.lock = OpenLock(root, space, identity.uid, 0);
    // Users that have never had a job have no lock yet.
    if (identity.lock.valid() && ::flock(identity.lock.get(), LOCK_EX | LOCK_NB) == 0 &&
        KillUser(identity.uid, Now() + kSecond)) {
      RemoveAbandoned(root + "/jobs", identity);
      RemoveLeftovers(identity.uid);
    }
  }
}

}  // namespace docker::supervisor
