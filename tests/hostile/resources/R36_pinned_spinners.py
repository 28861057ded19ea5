# tries = "eight spinners on the one processor that the service runs on"
# verdict = "time_limit"
# timeout = "1s"
# health_ms = 100
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
for _ in range(7):
    if os.fork() == 0:
        break
while True:
    pass
