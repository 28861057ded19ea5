# tries = "touch 16 GiB of shared anonymous memory, which RLIMIT_DATA does not count"
# verdict = "memory_limit"
# needs = ["cgroup"]
import mmap

block = mmap.mmap(-1, 16 << 30, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
for offset in range(0, 16 << 30, 4096):
    block[offset] = 1
