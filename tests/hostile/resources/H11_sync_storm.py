# tries = "flush the disk below the system's files without end"
# verdict = "time_limit"
# timeout = "1s"
# health_ms = 100
paths = [os.path.realpath(sys.executable), os.__file__, "/etc/ld.so.cache", "/usr/bin/env"]
files = [os.open(path, os.O_RDONLY) for path in paths]
for _ in range(4):
    os.fork()
while True:
    for fd in files:
        try:
            os.fsync(fd)
            os.fdatasync(fd)
        except OSError:
            pass
