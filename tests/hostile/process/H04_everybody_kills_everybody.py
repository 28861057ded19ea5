# tries = "processes that kill all they can, again and again"
# verdict = ["signalled", "ok", "time_limit", "process_limit"]
# timeout = "1s"
import signal

for _ in range(20):
    try:
        if os.fork() == 0:
            while True:
                try:
                    os.fork()
                    os.kill(-1, signal.SIGKILL)
                except OSError:
                    pass
    except OSError:
        pass
while True:
    signal.pause()
