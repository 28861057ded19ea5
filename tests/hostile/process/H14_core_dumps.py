# tries = "crash by every signal that dumps core, in folders of its own"
# verdict = "ok"
# expect = { "cores" = "none", "limit" = "EPERM" }
import signal

call("prlimit64", 0, 4, (ctypes.c_ulong * 2)(1 << 30, 1 << 30), 0, step="limit")
for folder in ("/box", "/tmp", "/dev/shm"):
    os.chdir(folder)
    for number in (signal.SIGQUIT, signal.SIGILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE,
                   signal.SIGTRAP, signal.SIGSYS, signal.SIGXCPU, signal.SIGXFSZ):
        pid = os.fork()
        if pid == 0:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        _, status = os.waitpid(pid, 0)
        assert not os.WCOREDUMP(status), number
cores = [n for f in ("/box", "/tmp", "/dev/shm") for n in os.listdir(f) if "core" in n]
say("cores", cores or "none")
