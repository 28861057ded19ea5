# tries = "hold stdout a thousand times in each of 60 processes that leave the session"
# verdict = "ok"
# stdout = "done"
# within_ms = 3000
import time

for _ in range(58):
    if os.fork() == 0:
        os.setsid()
        try:
            while True:
                os.dup(1)
        except OSError:
            time.sleep(60)
os.write(1, b"done\n")
os._exit(0)
