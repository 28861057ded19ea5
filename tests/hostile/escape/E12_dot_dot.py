# tries = "climb out of the work folder"
# verdict = "ok"
# expect = { "cwd" = "/box", "up" = "ENOENT", "root is root" = "True", "fd of root" = "ENOENT" }
say("cwd", os.getcwd())
for depth in (3, 10, 50):
    attempt("up", lambda: open("../" * depth + "etc/shadow").read())
say("root is root", os.stat("/..").st_ino == os.stat("/").st_ino)
root = os.open("/", os.O_PATH)
attempt("fd of root", lambda: os.open("../../../root", os.O_RDONLY, dir_fd=root))
