# tries = "send data out by resolving names"
# verdict = "ok"
# within_ms = 2500
# expect = { "dns" = "gaierror", "raw query" = "ENETUNREACH|ECONNREFUSED" }
import socket

for name in ("secret.example.com", "metadata.google.internal", "localhost.localdomain"):
    try:
        socket.getaddrinfo(name, 80)
        say("dns", "resolved")
    except socket.gaierror:
        say("dns", "gaierror")
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("127.0.0.53", 53))


def query():
    s.send(b"\0" * 32)
    s.send(b"\0" * 32)


attempt("raw query", query)
attempt("raw query", lambda: s.sendto(b"x", ("8.8.8.8", 53)))
