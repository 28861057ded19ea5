# tries = "names in one folder, connections and addresses chosen to meet in one hash chain"
# verdict = ["time_limit", "ok"]
# timeout = "1s"
import socket

while True:
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 12345))
    try:
        s.connect(("127.0.0.1", 12345))  # to itself
    except OSError:
        pass
    s.close()
