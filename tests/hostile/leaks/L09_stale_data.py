# tries = "read earlier jobs' data from fresh files, memory and sockets"
# verdict = "ok"
# expect = { "dirty" = "none" }
import mmap

dirty = []


def check(name, data):
    if data.strip(b"\0"):
        dirty.append(name)


for folder in ("/box", "/tmp", "/dev/shm"):
    fd = os.open(folder, os.O_TMPFILE | os.O_RDWR)
    os.posix_fallocate(fd, 0, 8 << 20)
    check("O_TMPFILE", os.pread(fd, 8 << 20, 0))
    os.ftruncate(fd, 0)
    os.pwrite(fd, b"x", 4 << 20)
    check("hole", os.pread(fd, 4 << 20, 0))
    os.close(fd)
fd = os.memfd_create("x")
os.ftruncate(fd, 16 << 20)
check("memfd", os.pread(fd, 16 << 20, 0))
check("anonymous memory", mmap.mmap(-1, 32 << 20).read(32 << 20))
say("dirty", dirty or "none")
