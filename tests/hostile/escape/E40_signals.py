# tries = "signal pid 1, everybody, numbers of host processes, and flood pid 1"
# verdict = "ok"
# expect = { "pid 1" = "EPERM", "host" = "ESRCH", "everybody" = "EPERM|ESRCH|done", "pidfd" = "EPERM|ENOSYS", "queue" = "EPERM", "tgkill" = "EPERM" }
import signal

signal.signal(signal.SIGUSR1, signal.SIG_IGN)
for number in (9, 15, 19, 11, 34, 64):
    attempt("pid 1", lambda: os.kill(1, number))
for pid in (@SERVICE_PID@, @LAUNCHER_PID@):
    attempt("host", lambda: os.kill(pid, 9))
attempt("everybody", lambda: os.kill(-1, signal.SIGUSR1))
call("pidfd_send_signal", os.pidfd_open(1), 9, 0, 0, step="pidfd")
info = (ctypes.c_char * 128)()
info[8:12] = (-1).to_bytes(4, "little", signed=True)
for _ in range(1000):
    result = raw(129, 1, 34, info)
say("queue", errno_name(-result))
call(234, 1, 1, 9, step="tgkill")
