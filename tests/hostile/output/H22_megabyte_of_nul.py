# tries = "1 MiB of NUL on both streams, which JSON makes six times as large"
# verdict = "ok"
# stdout = "\\A\\x00{1048576}\\Z"
# stderr = "\\A\\x00{1048576}\\Z"
for fd in (1, 2):
    left = 1 << 20
    while left:
        left -= os.write(fd, b"\0" * left)
