# tries = "ignore and block every signal, and sleep"
# verdict = "time_limit"
# timeout = "500ms"
import signal
import time

signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    time.sleep(1000)
