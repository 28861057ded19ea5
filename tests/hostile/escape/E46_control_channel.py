# tries = "write to the launcher's and pid 1's descriptors by number"
# verdict = "ok"
# expect = { "open" = "none", "writable" = "none", "listed" = "0 1 2 3" }
import socket

say("listed", " ".join(sorted(os.listdir("/proc/self/fd"))))  # 3 is the listing itself
found, written = [], []
for fd in range(3, 1024):
    try:
        os.fstat(fd)
        found.append(fd)
        os.write(fd, b"\2\0\0\0")
        written.append(fd)
    except OSError:
        pass
say("open", found or "none")
say("writable", written or "none")
