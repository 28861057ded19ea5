# tries = "make device files for the host's memory and disks"
# verdict = "ok"
# expect = { "mknod" = "ENOSYS", "mknodat" = "ENOSYS", "python" = "ENOSYS", "devices" = "full null random urandom zero" }
import stat

for folder in (b"/box/d", b"/tmp/d", b"/dev/shm/d", b"/dev/d"):
    for kind, device in ((stat.S_IFCHR, os.makedev(1, 1)), (stat.S_IFBLK, os.makedev(8, 0)), (stat.S_IFBLK, os.makedev(259, 0))):
        call("mknod", folder, kind | 0o666, device)
        call("mknodat", -100, folder, kind | 0o666, device)
attempt("python", lambda: os.mknod("/box/d", stat.S_IFCHR | 0o666, os.makedev(1, 1)))
say("devices", " ".join(sorted(n for n in os.listdir("/dev") if stat.S_ISCHR(os.lstat("/dev/" + n).st_mode))))
