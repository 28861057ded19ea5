# tries = "inject keys into a terminal, take it over, and use the ioctls of files and disks"
# verdict = "ok"
# expect = { "refused" = "ENOSYS", "no terminal" = "ENOTTY", "FIONREAD" = "done", "tty" = "ENXIO|ENOENT" }
import fcntl

fd = os.open("main.py", os.O_RDWR)
for request in (0x5412, 0x541C, 0x5423, 0x5420, 0x5457, 0x540C, 0x4B3A, 0x4B46,
                0x40086602, 0x40087602, 0xC020660B, 1, 0xC0185879, 0x1260, 0x1261, 0x125D, 0x5393, 0x2285,
                0x40045532, 0x80045430, 0x4008AE6A, 0xAE01, 0x40044590, 0x5206, 0x5203, 0x40085203, 0x8946,
                0x8914, 0x8916, 0x8922, 0x894A, 0x89A0, 0x89F0, 0xC0045877, 0x660C, 0x400454CA):
    for target in (fd, 0, 1):
        call(16, target, request, 0, step="refused")
# Those of a program's own terminal, which this one has not.
for request in (0x540E, 0x5404):
    for target in (fd, 0, 1):
        call(16, target, request, 0, step="no terminal")
reader, writer = os.pipe()
os.write(writer, b"abc")
attempt("FIONREAD", lambda: fcntl.ioctl(reader, 0x541B, b"\0\0\0\0") and None)
attempt("tty", lambda: os.open("/dev/tty", os.O_RDWR))
attempt("tty", lambda: os.open("/dev/ptmx", os.O_RDWR))
