# tries = "run out of memory in files while many small processes are there to be killed in its place"
# verdict = "memory_limit"
# needs = ["cgroup"]
import time

for _ in range(50):
    if os.fork() == 0:
        time.sleep(100)
fds = []
while True:
    fd = os.memfd_create("x")
    fds.append(fd)
    os.write(fd, b"x" * (1 << 20))
