# tries = "open its streams by name, to read what it wrote and to change its input"
# verdict = "ok"
# stdin = "input"
# expect = { "write" = "done", "read back" = "EACCES", "write input" = "EPERM|EACCES", "cut input" = "EPERM|EINVAL|EACCES", "input" = "input" }
attempt("write", lambda: open("/dev/stdout", "w").close())
attempt("read back", lambda: os.open("/proc/self/fd/1", os.O_RDONLY))
attempt("write input", lambda: os.write(os.open("/proc/self/fd/0", os.O_RDWR), b"x"))
attempt("cut input", lambda: os.truncate("/proc/self/fd/0", 0))
say("input", sys.stdin.read())
