# tries = "touch one page in each 2 MiB of a huge area, so that page tables are the memory"
# verdict = "memory_limit"
# needs = ["cgroup"]
import mmap

area = mmap.mmap(-1, 1 << 42, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, prot=mmap.PROT_READ)
total = 0
for offset in range(0, 1 << 42, 2 << 20):
    total += area[offset]
