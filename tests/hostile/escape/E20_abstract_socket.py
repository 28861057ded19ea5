# tries = "reach an abstract UNIX socket of the host, and the neighbour's"
# verdict = "ok"
# expect = { "host" = "ECONNREFUSED", "neighbour" = "ECONNREFUSED", "datagram" = "ECONNREFUSED", "systemd" = "ENOENT|EACCES" }
import socket

attempt("host", lambda: socket.socket(socket.AF_UNIX).connect("\0@ABSTRACT@"))
attempt("neighbour", lambda: socket.socket(socket.AF_UNIX).connect("\0neighbour"))
attempt("datagram", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"x", "\0@ABSTRACT@"))
for path in ("/run/systemd/private", "/var/run/docker.sock", "/run/dbus/system_bus_socket"):
    attempt("systemd", lambda: socket.socket(socket.AF_UNIX).connect(path))
