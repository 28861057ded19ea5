# tries = "stop itself and its child, so that nobody exits"
# verdict = "time_limit"
# timeout = "500ms"
import signal

pid = os.fork()
os.kill(os.getpid(), signal.SIGSTOP)
