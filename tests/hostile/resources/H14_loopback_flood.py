# tries = "keep the network's soft interrupts busy for everybody"
# verdict = "time_limit"
# timeout = "1s"
# health_ms = 100
import socket

receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("127.0.0.1", 0))
os.fork()
os.fork()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    try:
        s.sendto(b"x", receiver.getsockname())
    except OSError:
        pass
