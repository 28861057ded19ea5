# tries = "make the kernel load modules, directly and by odd families, file systems and line disciplines"
# verdict = "ok"
# expect = { "init_module" = "ENOSYS", "finit_module" = "ENOSYS", "delete_module" = "ENOSYS", "socket" = "ENOSYS", "mount" = "ENOSYS", "fsopen" = "ENOSYS", "ulp" = "ENOENT|ENOTCONN|EPERM", "congestion" = "ENOENT|EPERM", "netlink" = "ENOSYS" }
import socket

call("init_module", b"x", 1, b"")
call("finit_module", 0, b"", 0)
call("delete_module", b"x", 0)
for family in range(3, 46):
    if family not in (10, 16):
        call(41, family, 1, 0, step="socket")
        call(41, family, 2, 0, step="socket")
        call(41, family, 3, 0, step="socket")
for protocol in range(1, 23):
    call(41, 16, 3, protocol, step="netlink")
for kind in (b"ntfs", b"xfs", b"nfs", b"fuse", b"binfmt_misc"):
    call("mount", b"none", b"/tmp", kind, 0, 0)
    call("fsopen", kind, 0)
s = socket.socket()
attempt("ulp", lambda: s.setsockopt(6, 31, b"tls"))
attempt("ulp", lambda: s.setsockopt(6, 31, b"smc"))
attempt("congestion", lambda: s.setsockopt(6, 13, b"dctcp"))
