# tries = "reach the service itself, Redis, Docker and SSH on loopback"
# verdict = "ok"
# expect = { "tcp" = "ECONNREFUSED|ENETUNREACH|EADDRNOTAVAIL", "udp" = "done|ENETUNREACH|EADDRNOTAVAIL", "answer" = "ECONNREFUSED" }
import socket

for port in (@SERVICE_PORT@, @HOST_PORT@, 6379, 2375, 2376, 22, 80, 4444, 8080):
    for host in ("127.0.0.1", "127.1.2.3", "0.0.0.0"):
        attempt("tcp", lambda: socket.create_connection((host, port), timeout=1).close())
    for host in ("::1", "::", "::ffff:127.0.0.1"):
        s = socket.socket(socket.AF_INET6)
        s.settimeout(1)
        attempt("tcp", lambda: s.connect((host, port)))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.connect(("127.0.0.1", @HOST_UDP_PORT@))
attempt("udp", lambda: udp.send(b"x") and None)
attempt("answer", lambda: udp.send(b"x") and None)
