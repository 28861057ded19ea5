#include "docker/supervisor/input.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "docker/supervisor/processes.h"
#include "linux/syscall.h"

namespace docker::supervisor {
namespace {

constexpr int64_t kJobDeadline = 60'000'000'000;

// Relative, without empty, "." and ".." parts.
bool IsPlain(const std::string& path) {
  if (path.empty() || path.front() == '/' || path.find('\0') != std::string::npos) {
    return false;
  }
  for (size_t from = 0; from <= path.size();) {
    const size_t to = std::min(path.find('/', from), path.size());
    const std::string part = path.substr(from, to - from);
    if (part.empty() || part == "." || part == "..") {
      return false;
    }
    from = to + 1;
  }
  return true;
}

bool MakeParents(int box, const std::string& path, int64_t uid) {
  for (size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
    const std::string folder = path.substr(0, at);
    if (::mkdirat(box, folder.c_str(), 0755) == 0) {
      if (uid >= 0 && ::fchownat(box, folder.c_str(), static_cast<uid_t>(uid),
                                 static_cast<gid_t>(uid), AT_SYMLINK_NOFOLLOW) != 0) {
        return false;
      }
    } else if (errno != EEXIST) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool Input::ReadAll(void* data, size_t size) {
  char* at = static_cast<char*>(data);
  while (size > 0) {
    const int64_t left = deadline_ == 0 ? -1 : (deadline_ - Now()) / 1'000'000;
    if (deadline_ != 0 && left <= 0) {
      errno = ETIMEDOUT;
      return false;
    }
    pollfd polled{fd_, POLLIN, 0};
    const int ready = ::poll(&polled, 1, static_cast<int>(left));
    if (ready < 0 && errno != EINTR) {
      return false;
    }
    if (ready <= 0) {
      continue;
    }
    const ssize_t n = ::read(fd_, at, size);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
      continue;
    }
    if (n <= 0) {
      errno = n == 0 ? EPIPE : errno;
      return false;
    }
    if (deadline_ == 0) {
      deadline_ = Now() + kJobDeadline;
    }
    at += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

bool Input::ReadString(std::string* text) {
  uint32_t size = 0;
  if (!ReadAll(&size, sizeof(size))) {
    return false;
  }
  if (size > wire::kMaxString) {
    errno = EINVAL;
    return false;
  }
  text->resize(size);
  if (!ReadAll(text->data(), size)) {
    return false;
  }
  errno = EINVAL;
  return text->find('\0') == std::string::npos;
}

bool Input::ReadJob(Job* job) {
  wire::JobHeader& h = job->header;
  if (!ReadAll(&h, sizeof(h))) {
    return false;
  }
  const bool trusted = (h.flags & wire::kWarmUp) != 0;
  if (h.magic != wire::kJobMagic || h.filter > wire::kMaxFilter || (h.filter == 0) != trusted ||
      h.argc == 0 || h.argc > wire::kMaxStrings || h.envc > wire::kMaxStrings ||
      h.collect > wire::kMaxCollect || h.files > wire::kMaxFiles ||
      h.stdin_bytes > wire::kMaxStdin || h.wall_time <= 0 || h.memory_bytes <= 0 ||
      h.processes <= 0 || h.output_bytes <= 0 || h.file_bytes <= 0 || h.open_files <= 0 ||
      h.collect_bytes < 0 || h.cpu_time < 0 ||
      ((h.flags & wire::kLive) != 0 && h.stdin_bytes != 0) ||
      ((h.flags & wire::kTerminal) != 0 && (h.flags & wire::kLive) == 0)) {
    errno = EINVAL;
    return false;
  }
  if (!ReadAll(job->filter.data(), h.filter * sizeof(sock_filter)) || !ReadString(&job->root) ||
      !ReadString(&job->cache)) {
    return false;
  }
  for (const auto& [strings, count] :
       {std::pair{&job->argv, h.argc}, {&job->env, h.envc}, {&job->collect, h.collect}}) {
    strings->resize(count);
    for (std::string& text : *strings) {
      if (!ReadString(&text)) {
        return false;
      }
    }
  }
  errno = EINVAL;
  return job->root.starts_with('/') && (!trusted || job->cache.starts_with('/')) &&
         std::all_of(job->collect.begin(), job->collect.end(), IsPlain);
}

bool Input::CopyTo(int fd, uint64_t size) {
  std::vector<char> buffer(64UL << 10);
  while (size > 0) {
    const size_t part = std::min<uint64_t>(size, buffer.size());
    if (!ReadAll(buffer.data(), part) || !linux::WriteAll(fd, buffer.data(), part)) {
      return false;
    }
    size -= part;
  }
  return true;
}

bool Input::WriteFiles(const Job& job, int box, int64_t uid) {
  for (uint32_t i = 0; i < job.header.files; ++i) {
    wire::JobFile file{};
    std::string path;
    if (!ReadAll(&file, sizeof(file)) || !ReadString(&path)) {
      return false;
    }
    if (!IsPlain(path) || file.size > wire::kMaxContent) {
      errno = EINVAL;
      return false;
    }
    if (!MakeParents(box, path, uid)) {
      return false;
    }
    const base::UniqueFd out(::openat(box, path.c_str(),
                                      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                      file.executable != 0 ? 0755 : 0644));
    if (!out.valid() ||
        (uid >= 0 && ::fchown(out.get(), static_cast<uid_t>(uid), static_cast<gid_t>(uid)) != 0) ||
        // Not what the umask leaves of the mode.
        ::fchmod(out.get(), file.executable != 0 ? 0755 : 0644) != 0 ||
        !CopyTo(out.get(), file.size)) {
      return false;
    }
  }
  return true;
}

bool Input::ReadStdin(Job* job) {
  const base::UniqueFd memory(::memfd_create("stdin", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.valid() || !CopyTo(memory.get(), job->header.stdin_bytes) ||
      ::fcntl(memory.get(), F_ADD_SEALS,
              F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
    return false;
  }
  // A description of its own, for reading and at the start.
  char path[40];
  std::snprintf(path, sizeof(path), "/proc/self/fd/%d", memory.get());
  job->stdin_fd.reset(::open(path, O_RDONLY | O_CLOEXEC));
  return job->stdin_fd.valid();
}

}  // namespace docker::supervisor
