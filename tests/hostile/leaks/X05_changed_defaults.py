# tries = "change limits, the mask and loopback, and look whether an earlier job's changes are still there"
# verdict = "ok"
# rounds = 2
# expect = { "files" = "\\(1024, 1024\\)", "umask" = "0o22", "loopback" = "127.0.0.1 only", "change" = "EPERM|ENOSYS|EACCES" }
import resource
import socket

say("files", resource.getrlimit(resource.RLIMIT_NOFILE))
resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
mask = os.umask(0)
say("umask", oct(mask))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
reachable = []
for address in ("127.0.0.1", "10.99.99.99"):
    try:
        s.bind((address, 0))
        reachable.append(address)
        s.close()
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    except OSError:
        pass
say("loopback", " ".join(reachable) + " only")
request = b"lo".ljust(16, b"\0") + b"\2\0\0\0\x0a\x63\x63\x63".ljust(24, b"\0")
call(16, s.fileno(), 0x8916, request, step="change")  # SIOCSIFADDR
call("sethostname", b"changed", 7, step="change")
