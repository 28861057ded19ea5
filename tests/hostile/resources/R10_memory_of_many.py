# tries = "eight processes that are each below the limit and together above it"
# verdict = "memory_limit"
# needs = ["cgroup"]
import time

for _ in range(8):
    if os.fork() == 0:
        block = bytearray(b"x" * (30 << 20))
        time.sleep(10)
time.sleep(10)
