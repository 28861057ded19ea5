#include "linux/message.h"

#include <unistd.h>

namespace linux {

ssize_t ReceiveMessage(int socket, void* data, size_t size, int* fds, int* fd_count, int flags) {
  iovec iov{data, size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxMessageFds)] = {};
  msghdr msg{};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = control;
  msg.msg_controllen = sizeof(control);
  *fd_count = 0;
  ssize_t n = 0;
  do {
    n = ::recvmsg(socket, &msg, flags | MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    return n;
  }
  for (cmsghdr* header = CMSG_FIRSTHDR(&msg); header != nullptr;
       header = CMSG_NXTHDR(&msg, header)) {
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
      const size_t bytes = header->cmsg_len - CMSG_LEN(0);
      std::memcpy(fds, CMSG_DATA(header), bytes);
      *fd_count = static_cast<int>(bytes / sizeof(int));
    }
  }
  if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    for (int i = 0; i < *fd_count; ++i) {
      ::close(fds[i]);
    }
    *fd_count = 0;
    errno = EMSGSIZE;
    return -1;
  }
  return n;
}

}  // namespace linux
