# tries = "overwrite the programs that start the sandbox (CVE-2019-5736)"
# verdict = "ok"
# expect = { "own interpreter" = "EROFS|ETXTBSY|EACCES", "pid 1" = "ENOENT", "parent" = "ENOENT", "launcher" = "ENOENT", "exec" = "ENOENT" }
attempt("own interpreter", lambda: open("/proc/self/exe", "r+b"))
attempt("pid 1", lambda: open("/proc/1/exe", "r+b"))
attempt("parent", lambda: open(f"/proc/{os.getppid()}/exe", "rb"))
attempt("launcher", lambda: open("/proc/@LAUNCHER_PID@/exe", "rb"))
attempt("exec", lambda: os.execv("/proc/1/exe", ["x"]))
