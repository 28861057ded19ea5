# tries = "access lists and security attributes on its files"
# verdict = "ok"
# expect = { "trusted" = "EPERM|ENOTSUP", "security" = "EPERM|ENOTSUP", "selinux" = "EPERM|ENOTSUP|done", "acl" = "done|ENOTSUP|EINVAL" }
open("x", "w").close()
attempt("trusted", lambda: os.setxattr("x", "trusted.overlay.opaque", b"y"))
# Without SELinux its attribute is a name like any other, on its own file.
attempt("selinux", lambda: os.setxattr("x", "security.selinux", b"y"))
attempt("security", lambda: os.setxattr("x", "security.ima", b"y"))
attempt("acl", lambda: os.setxattr("x", "system.posix_acl_access", bytes.fromhex(
    "0200000001000600ffffffff04000400ffffffff20000400ffffffff")))
