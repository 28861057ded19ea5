# tries = "leave files for the next job, and look for those of an earlier one"
# verdict = "ok"
# rounds = 2
# expect = { "/tmp" = "empty", "/dev/shm" = "empty", "/box" = "main.py", "elsewhere" = "EROFS|ENOENT|EACCES" }
for folder in ("/tmp", "/dev/shm", "/box"):
    say(folder, " ".join(sorted(os.listdir(folder))) or "empty")
    open(folder + "/left-behind", "w").write("x")
for folder in ("/var/tmp", "/run/lock", "/run", "/var/lock", "/", "/usr/tmp", "/dev"):
    attempt("elsewhere", lambda: open(folder + "/left-behind", "w"))
