# tries = "hide memory in memfds that are only held by descriptors in flight"
# verdict = "memory_limit"
# needs = ["cgroup"]
import array
import socket

a, b = socket.socketpair()
kept = []
while True:
    fd = os.memfd_create("x")
    os.posix_fallocate(fd, 0, 4 << 20)
    try:
        a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))], socket.MSG_DONTWAIT)
    except OSError:
        kept.append((a, b))
        a, b = socket.socketpair()

