# tries = "so many record locks that the kernel walks long lists"
# verdict = "time_limit"
# timeout = "1s"
import fcntl
import struct

fd = os.open("locked", os.O_CREAT | os.O_RDWR)
count = 0
try:
    for n in range(300_000):
        fcntl.fcntl(fd, fcntl.F_SETLK, struct.pack("hhqqi", fcntl.F_WRLCK, 0, n * 2, 1, 0))
        count += 1
except OSError as error:
    say("lock", f"{errno_name(error.errno)} after {count}")
