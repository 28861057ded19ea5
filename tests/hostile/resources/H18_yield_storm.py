# tries = "context switches as fast as 60 threads can"
# verdict = "time_limit"
# timeout = "1s"
# health_ms = 100
for _ in range(50):
    if os.fork() == 0:
        break
while True:
    os.sched_yield()
