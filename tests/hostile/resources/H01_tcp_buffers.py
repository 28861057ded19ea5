# tries = "fill the buffers of TCP connections to itself, which version 1 of cgroups counts apart"
# verdict = ["ok", "memory_limit"]
# timeout = "5s"
import socket

server = socket.create_server(("127.0.0.1", 0))
pairs, queued = [], 0
for _ in range(200):
    a = socket.create_connection(server.getsockname(), timeout=1)
    a.setblocking(False)
    pairs.append((a, server.accept()[0]))
    try:
        while True:
            queued += a.send(b"x" * 65536)
    except BlockingIOError:
        pass
assert queued <= 160 << 20, f"{queued >> 20} MiB are in the kernel"
