# tries = "be slow to die: much memory in many processes, mapped in small pieces"
# verdict = ["time_limit", "memory_limit"]
# timeout = "1s"
# death_ms = 5000
import mmap
import time

areas = []
for _ in range(10000):
    area = mmap.mmap(-1, 8192)
    area[0] = 1
    areas.append(area)
for _ in range(50):
    try:
        if os.fork() == 0:
            break
    except OSError:
        break
time.sleep(100)
