# tries = "fill the buffers of UDP sockets, whose bound all sockets of the machine share"
# verdict = ["ok", "memory_limit"]
# timeout = "5s"
import socket

sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receivers = []
for _ in range(900):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    s.bind(("127.0.0.1", 0))
    receivers.append(s)
    for _ in range(20):
        try:
            sender.sendto(b"x" * 60000, s.getsockname())
        except OSError:
            pass
received = 0
for s in receivers:
    s.setblocking(False)
    try:
        while True:
            received += len(s.recv(65536))
    except BlockingIOError:
        pass
assert received <= 160 << 20, f"{received >> 20} MiB were in the kernel"
