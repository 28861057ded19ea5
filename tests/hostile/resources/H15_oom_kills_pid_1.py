# tries = "let the OOM killer take pid 1: its own score is the lowest, and files hold the memory"
# verdict = "memory_limit"
# needs = ["cgroup"]
try:
    with open("/proc/self/oom_score_adj", "w") as f:
        f.write("0")
except PermissionError:
    pass  # where the launcher's rights make its own score the least that is allowed
for folder in ("/box", "/tmp", "/dev/shm"):
    try:
        with open(folder + "/x", "wb", buffering=0) as f:
            while True:
                f.write(b"x" * (1 << 16))
    except OSError:
        pass
while True:
    pass
