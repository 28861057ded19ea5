# tries = "take a terminal, the foreground and other sessions' groups"
# verdict = "ok"
# expect = { "group" = "EPERM|ESRCH", "session" = "EPERM", "foreground" = "ENOTTY|ENOSYS", "parent" = "0|1" }
attempt("session", os.setsid)
for target in (1, 2 if os.getpid() != 2 else 99999):
    attempt("group", lambda: os.setpgid(0, target))
    attempt("group", lambda: os.setpgid(target, 0))
attempt("foreground", lambda: os.tcsetpgrp(0, 1))
say("parent", os.getppid())
