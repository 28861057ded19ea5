#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/unique_fd.h"

// System calls that glibc 2.36 does not wrap, and small loops over those it does. All return as the
// call does (-1 and errno). Safe after clone3: no allocation, no locks.
namespace linux {

inline pid_t Clone3(clone_args* args) {
  return static_cast<pid_t>(::syscall(SYS_clone3, args, sizeof(*args)));
}

inline int PidfdOpen(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

inline int PidfdKill(int pidfd) {
  return static_cast<int>(::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0));
}

// Whether the process is still there, zombies included.
inline bool PidfdExists(int pidfd) {
  return ::syscall(SYS_pidfd_send_signal, pidfd, 0, nullptr, 0) == 0;
}

inline int PivotRoot(const char* new_root, const char* put_old) {
  return static_cast<int>(::syscall(SYS_pivot_root, new_root, put_old));
}

inline int CloseRange(unsigned first, unsigned last, unsigned flags) {
  return static_cast<int>(::syscall(SYS_close_range, first, last, flags));
}

// Opens `path` below `dir` for reading, following no symbolic link and crossing no mount on the
// way.
inline int OpenBeneath(int dir, const char* path, uint64_t flags) {
  open_how how{};
  how.flags = flags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  return static_cast<int>(::syscall(SYS_openat2, dir, path, &how, sizeof(how)));
}

inline bool WriteAll(int fd, const void* data, size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::write(fd, at, size);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return false;
    }
    at += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

// Writes `text` to an existing file in one write(2), as /proc and cgroup files want it.
inline bool WriteFileAt(int dir, const char* path, const char* text, size_t size) {
  const base::UniqueFd fd(::openat(dir, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  return fd.valid() && ::write(fd.get(), text, size) == static_cast<ssize_t>(size);
}

// Reads up to size - 1 bytes from the start of a file and ends them with NUL. -1 on failure.
inline ssize_t ReadFileAt(int dir, const char* path, char* buffer, size_t size) {
  const base::UniqueFd fd(::openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) {
    return -1;
  }
  size_t used = 0;
  while (used + 1 < size) {
    const ssize_t n = ::read(fd.get(), buffer + used, size - 1 - used);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return -1;
    }
    if (n == 0) {
      break;
    }
    used += static_cast<size_t>(n);
  }
  buffer[used] = '\0';
  return static_cast<ssize_t>(used);
}

}  // namespace linux
