# tries = "interrupt all processors again and again by membarrier and by unmapping"
# verdict = "time_limit"
# timeout = "1s"
# health_ms = 100
for _ in range(3):
    os.fork()
while True:
    libc.syscall(324, 1, 0, 0)       # MEMBARRIER_CMD_GLOBAL
    libc.syscall(324, 2, 0, 0)       # expedited
