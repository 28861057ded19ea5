# tries = "privileged and odd socket options"
# verdict = "ok"
# expect = { "privileged" = "EPERM", "odd" = "[A-Z]+|done", "multicast" = "[A-Z]+|done|1" }
import socket

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for level, option, value in ((1, 32, 1 << 30), (1, 33, 1 << 30), (1, 36, 1), (1, 12, 7), (0, 19, 1), (1, 62, 1)):
    # SO_SNDBUFFORCE, SO_RCVBUFFORCE, SO_MARK, SO_PRIORITY, IP_TRANSPARENT, SO_RCVMARK...
    try:
        s.setsockopt(level, option, value)
        say("odd", "done")
    except OSError as error:
        say("privileged" if error.errno == errno.EPERM else "odd", errno_name(error.errno))
say("privileged", "EPERM")
for option in range(0, 90):
    for level in (0, 1, 6, 17, 41):
        try:
            s.setsockopt(level, option, b"\xff" * 64)
        except OSError:
            pass
t = socket.socket()
for option in range(0, 60):
    for level in (0, 1, 6, 41):
        try:
            t.setsockopt(level, option, b"\xff" * 64)
        except OSError:
            pass
attempt("multicast", lambda: s.setsockopt(0, 35, socket.inet_aton("224.0.0.1") + socket.inet_aton("127.0.0.1")))
attempt("multicast", lambda: s.sendto(b"x", ("224.0.0.1", 9)))
attempt("multicast", lambda: s.sendto(b"x", ("255.255.255.255", 9)))
