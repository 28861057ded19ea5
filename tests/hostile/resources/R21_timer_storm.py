# tries = "an interval timer of 10 us in each of 40 processes"
# verdict = "time_limit"
# timeout = "1s"
# health_ms = 100
import signal

for _ in range(40):
    if os.fork() == 0:
        break
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.00001, 0.00001)
while True:
    signal.pause()
