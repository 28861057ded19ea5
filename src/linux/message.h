#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

// Whole messages with descriptors over SOCK_SEQPACKET. No allocation; non-blocking when `flags`
// says so.
namespace linux {

inline constexpr int kMaxMessageFds = 32;

// True when the whole message was sent.
inline bool SendMessage(int socket, const void* data, size_t size, const int* fds, int fd_count,
                        int flags = 0) {
  iovec iov{const_cast<void*>(data), size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxMessageFds)] = {};
  msghdr msg{};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  if (fd_count > 0) {
    if (fd_count > kMaxMessageFds) {
      errno = EINVAL;
      return false;
    }
    const size_t bytes = sizeof(int) * static_cast<size_t>(fd_count);
    msg.msg_control = control;
    msg.msg_controllen = CMSG_SPACE(bytes);
    cmsghdr* header = CMSG_FIRSTHDR(&msg);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(header), fds, bytes);
  }
  ssize_t n = 0;
  do {
    n = ::sendmsg(socket, &msg, flags | MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  return n == static_cast<ssize_t>(size);
}

// The size of the message, 0 at end of file, -1 with errno. Descriptors arrive close-on-exec and
// are the caller's. A message longer than `size`, or with more descriptors than fit, is EMSGSIZE,
// its descriptors closed.
ssize_t ReceiveMessage(int socket, void* data, size_t size, int* fds, int* fd_count, int flags = 0);

}  // namespace linux
