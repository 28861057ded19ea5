# tries = "make or enter each kind of namespace, by every call that can"
# verdict = "ok"
# expect = { "unshare" = "ENOSYS", "clone" = "ENOSYS", "clone3" = "ENOSYS", "setns" = "ENOSYS", "libc unshare" = "ENOSYS" }
FLAGS = (0x00000080, 0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
SIGCHLD = 17
for flag in FLAGS:
    call("unshare", flag)
    if flag != 0x80:  # in clone(2) these bits are the exit signal
        call("clone", flag | SIGCHLD, 0, 0, 0, 0)
    arguments = (ctypes.c_ulonglong * 11)(flag, 0, 0, 0, SIGCHLD)
    call("clone3", arguments, 88)
call("clone", 0x7E020000 | SIGCHLD, 0, 0, 0, 0)
for kind in ("mnt", "net", "pid", "user", "ipc", "uts", "cgroup", "time"):
    try:
        fd = os.open(f"/proc/self/ns/{kind}", os.O_RDONLY)
    except OSError:
        continue
    call("setns", fd, 0)
call("setns", os.pidfd_open(os.getpid()), 0x10000000)
attempt("libc unshare", lambda: (_ for _ in ()).throw(OSError(ctypes.get_errno(), "")) if libc.unshare(0x10000000) else None)
