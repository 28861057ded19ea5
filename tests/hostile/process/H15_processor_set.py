# tries = "leave its processors"
# verdict = "ok"
# expect = { "beyond" = "EINVAL|ENODEV", "own" = "done" }
attempt("beyond", lambda: os.sched_setaffinity(0, {1023}))
attempt("own", lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)))
