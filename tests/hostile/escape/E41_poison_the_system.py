# tries = "change the system folders that the next job sees"
# verdict = "ok"
# expect = { "write" = "EROFS|EACCES|ETXTBSY|EISDIR|ENOENT", "remove" = "EROFS|EACCES|EBUSY", "rename" = "EROFS|EXDEV|EACCES|EBUSY", "chmod" = "EROFS", "times" = "EROFS", "xattr" = "EROFS", "truncate" = "EROFS|EACCES", "bytecode" = "False" }
stdlib = os.path.dirname(os.__file__)
for path in (stdlib + "/os.py", stdlib + "/evil.py", stdlib + "/__pycache__/os.cpython-311.pyc",
             "/etc/ld.so.preload", "/etc/passwd", "/etc/hosts", "/etc/ld.so.cache", "/usr/bin/env",
             os.path.realpath(sys.executable), "/lib64/ld-linux-x86-64.so.2", "/cache/go/x", "/x", "/dev/x",
             "/proc/x", "/etc/x"):
    attempt("write", lambda: open(path, "r+b" if os.path.exists(path) else "wb"))
for path in (stdlib + "/os.py", "/etc/passwd", "/etc", "/usr"):
    attempt("remove", lambda: os.remove(path) if not os.path.isdir(path) else os.rmdir(path))
    attempt("rename", lambda: os.rename(path, "/tmp/x"))
    attempt("chmod", lambda: os.chmod(path, 0o777))
for path in (stdlib + "/os.py",):
    attempt("times", lambda: os.utime(path))
    attempt("xattr", lambda: os.setxattr(path, "user.x", b"x"))
    attempt("truncate", lambda: os.truncate(path, 0))
say("bytecode", os.path.exists(stdlib + "/__pycache__/evil.pyc"))
