# tries = "lock the system's files so that other jobs wait for it"
# verdict = "ok"
# expect = { "lock" = "done", "fcntl lock" = "EBADF|EACCES", "lease" = "ENOSYS" }
import fcntl

held = []
for path in (os.path.realpath(sys.executable), os.__file__, "/etc/ld.so.cache"):
    f = open(path, "rb")
    held.append(f)
    attempt("lock", lambda: fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB))
    attempt("fcntl lock", lambda: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB))
    attempt("lease", lambda: fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK) and None)
