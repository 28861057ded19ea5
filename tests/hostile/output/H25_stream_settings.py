# tries = "change the pipe's size and flags under the reader"
# verdict = "ok"
# stdout = "\\Ax{100000}\\Z"
import fcntl
import signal

signal.signal(signal.SIGIO, signal.SIG_IGN)

fcntl.fcntl(1, 1031, 4096)
os.set_blocking(1, False)
fcntl.fcntl(1, fcntl.F_SETOWN, os.getpid())
fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_ASYNC | os.O_DIRECT)
os.set_blocking(1, True)
left = 100000
while left:
    left -= os.write(1, b"x" * min(left, 1000))
