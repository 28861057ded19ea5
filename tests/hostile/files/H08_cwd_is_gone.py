# tries = "stand in a folder that it removes, and climb from there"
# verdict = "ok"
# expect = { "cwd" = "ENOENT", "up" = "ENOENT", "open root" = "ENOENT|EACCES" }
os.mkdir("a")
os.chdir("a")
os.rmdir("/box/a")
attempt("cwd", os.getcwd)
attempt("up", lambda: os.listdir("../../etc/ssl/private"))
attempt("open root", lambda: os.listdir("../" * 20 + "root"))
