# tries = "fill the work folder with files that have no name"
# verdict = ["ok", "memory_limit"]
# expect = { "write" = "ENOSPC after 6[34] MiB" }
fds, written = [], 0
try:
    while True:
        fd = os.open("/box", os.O_TMPFILE | os.O_RDWR)
        fds.append(fd)
        written += os.write(fd, b"x" * (1 << 20))
except OSError as error:
    say("write", f"{errno_name(error.errno)} after {written >> 20} MiB")
