# tries = "fill the buffers of UNIX sockets"
# verdict = "memory_limit"
# needs = ["cgroup"]
import socket

pairs = []
while True:
    a, b = socket.socketpair()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
    a.setblocking(False)
    pairs.append((a, b))
    try:
        while True:
            a.send(b"x" * 65536)
    except BlockingIOError:
        pass
