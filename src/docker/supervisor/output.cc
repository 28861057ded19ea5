#include "docker/supervisor/output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "docker/supervisor/processes.h"

namespace docker::supervisor {

void Output::Put(wire::FrameType type, const void* data, size_t size) {
  const wire::FrameHeader header{static_cast<uint32_t>(type), static_cast<uint32_t>(size)};
  buffer_.append(reinterpret_cast<const char*>(&header), sizeof(header));
  buffer_.append(static_cast<const char*>(data), size);
}

bool Output::Flush() {
  while (!empty()) {
    const ssize_t n = ::write(fd_, buffer_.data() + sent_, buffer_.size() - sent_);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0 && errno == EAGAIN) {
      return true;
    }
    if (n <= 0) {
      return false;
    }
    sent_ += static_cast<size_t>(n);
  }
  buffer_.clear();
  sent_ = 0;
  return true;
}

bool Output::FlushAll(int64_t deadline) {
  while (Flush()) {
    if (empty()) {
      return true;
    }
    const int64_t left = (deadline - Now()) / 1'000'000;
    pollfd polled{fd_, POLLOUT, 0};
    if (left <= 0 || ::poll(&polled, 1, static_cast<int>(left)) < 0) {
      return false;
    }
  }
  return false;
}

}  // namespace docker::supervisor
