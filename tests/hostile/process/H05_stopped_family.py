# tries = "stop its parent and all its relatives, then leave"
# verdict = "time_limit"
# timeout = "500ms"
import signal

parent = os.getpid()
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.kill(parent, signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
signal.pause()
