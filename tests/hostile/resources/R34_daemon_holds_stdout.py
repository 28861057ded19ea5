# tries = "a daemon that keeps stdout open, so that its end never comes"
# verdict = "ok"
# stdout = "main is done"
# timeout = "30s"
# within_ms = 2000
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(300)
    os._exit(0)
print("main is done", flush=True)
