# tries = "take huge pages, which a limit may not count"
# verdict = ["ok", "memory_limit"]
# expect = { "MAP_HUGETLB" = "ENOMEM|EINVAL|ENOSYS", "memfd" = "ENOSYS|ENOMEM|EINVAL|done" }
import mmap

for size in (0, 21 << 26, 30 << 26):
    call("mmap", 0, 1 << 30, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000 | size, -1, 0, step="MAP_HUGETLB")
fd = call("memfd_create", b"x", 4, step="memfd")
if fd >= 0:
    os.ftruncate(fd, 32 << 20)
    call("mmap", 0, 32 << 20, 3, mmap.MAP_SHARED, fd, 0, step="MAP_HUGETLB")
