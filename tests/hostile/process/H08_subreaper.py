# tries = "collect the orphans itself, so that pid 1 does not see them"
# verdict = "ok"
# within_ms = 1500
import time

call("prctl", 36, 1, 0, 0, 0)
for _ in range(20):
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(100)
        os._exit(0)
    os.wait()
