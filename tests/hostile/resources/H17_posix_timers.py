# tries = "a timer of 1 ns for each signal that may be queued"
# verdict = "time_limit"
# timeout = "1s"
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
event = (ctypes.c_int * 16)(0, 0, 34, 0)
ids = []
while True:
    timer = (ctypes.c_int * 1)()
    if libc.syscall(222, 1, event, timer) < 0:
        break
    ids.append(timer[0])
spec = (ctypes.c_long * 4)(0, 1, 0, 1)
for timer in ids:
    libc.syscall(223, timer, 0, spec, 0)
while True:
    pass
