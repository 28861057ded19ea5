# tries = "watch the system's files, which all jobs share, to see what others open"
# verdict = "ok"
# expect = { "watch" = "ENOSYS", "dnotify" = "ENOSYS|EINVAL", "fanotify" = "ENOSYS" }
import fcntl

for path in (os.path.dirname(os.__file__), "/usr/bin", "/usr/lib", "/etc", "/dev/null", "/proc"):
    inotify = libc.inotify_init1(0)
    watch = libc.inotify_add_watch(inotify, path.encode(), 0xFFF)
    say("watch", errno_name(ctypes.get_errno()) if watch < 0 else "done")
    if os.path.isdir(path):
        fd = os.open(path, os.O_RDONLY)
        attempt("dnotify", lambda: fcntl.fcntl(fd, fcntl.F_NOTIFY, 0x3F) and None)
call("fanotify_init", 0, 0, step="fanotify")
