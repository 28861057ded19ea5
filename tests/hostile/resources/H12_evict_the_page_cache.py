# tries = "throw the system's files out of the page cache, so that all others wait for the disk"
# verdict = "time_limit"
# timeout = "1s"
# health_ms = 100
stdlib = os.path.dirname(os.__file__)
names = [os.path.join(stdlib, n) for n in os.listdir(stdlib) if n.endswith(".py") and os.path.isfile(os.path.join(stdlib, n))]
files = [os.open(p, os.O_RDONLY) for p in names[:300]] + [os.open(os.path.realpath(sys.executable), os.O_RDONLY)]
while True:
    for fd in files:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
