#include "docker/supervisor/collect.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "docker/supervisor/processes.h"
#include "linux/syscall.h"
#include "sandbox/outputs.h"

namespace docker::supervisor {
namespace {

constexpr int64_t kSendTime = 30'000'000'000;

// Seccomp profiles of container engines may not know openat2: then part by part.
int OpenBelow(int box, const std::string& path) {
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const int fd = linux::OpenBeneath(box, path.c_str(), kFlags);
  if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) {
    return fd;
  }
  base::UniqueFd folder(::dup(box));  // NOLINT(android-cloexec-dup): nothing is executed any more
  size_t from = 0;
  for (size_t at = path.find('/'); at != std::string::npos; at = path.find('/', from)) {
    folder.reset(::openat(folder.get(), path.substr(from, at - from).c_str(),
                          O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder.valid()) {
      return -1;
    }
    from = at + 1;
  }
  return ::openat(folder.get(), path.substr(from).c_str(), kFlags);
}

bool Send(int fd, int64_t size, Output* output) {
  std::array<char, 32768> buffer;
  for (int64_t sent = 0; sent < size;) {
    const auto part = static_cast<size_t>(std::min<int64_t>(size - sent, buffer.size()));
    const ssize_t n = ::pread(fd, buffer.data(), part, sent);
    if (n <= 0) {
      return false;
    }
    output->Put(wire::FrameType::kFileData, buffer.data(), static_cast<size_t>(n));
    sent += n;
    if (output->full() && !output->FlushAll(Now() + kSendTime)) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool Collect(const Job& job, int box, Output* output) {
  static_assert(wire::kMaxCollect == sandbox::kMaxOutputs &&
                wire::kMaxPath == sandbox::kMaxOutputPath);
  int64_t left = job.header.collect_bytes;
  uint32_t index = 0;
  bool going = true;
  const auto take = [&](const char* path) {
    if (!going) {
      return;
    }
    wire::File file{};
    file.index = index++;
    std::snprintf(file.path.data(), file.path.size(), "%s", path);
    const base::UniqueFd fd(OpenBelow(box, path));

    struct stat info {};

    if (!fd.valid()) {
      file.error = errno == ELOOP || errno == EXDEV ? EISDIR : errno;
    } else if (::fstat(fd.get(), &info) != 0) {
      file.error = errno;
    } else if (!S_ISREG(info.st_mode) || info.st_nlink != 1) {
      file.error = EISDIR;
    } else if (info.st_size > left) {
      file.error = EFBIG;
    } else {
      file.size = info.st_size;
      left -= info.st_size;
    }
    output->Put(wire::FrameType::kFile, file);
    // A frame too few: the reader sees that the file is not complete.
    going = file.error != 0 || Send(fd.get(), file.size, output);
  };
  return job.collect.empty() ||
         sandbox::FindOutputs(
             box, job.collect.size(), [&](size_t i) { return job.collect[i].c_str(); }, take);
}

}  // namespace docker::supervisor
