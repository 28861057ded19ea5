# tries = "hard links and renames between its folders and the system's"
# verdict = "ok"
# expect = { "link out" = "EROFS|EXDEV", "link in" = "EXDEV|EPERM", "rename out" = "EROFS|EXDEV", "exchange" = "EXDEV|EROFS|EINVAL", "tmpfile out" = "EROFS|EXDEV|ENOENT" }
open("x", "w").close()
for target in ("/usr/x", "/etc/x", "/x", "/dev/x"):
    attempt("link out", lambda: os.link("x", target))
    attempt("rename out", lambda: os.rename("x", target))
for source in (os.path.realpath(sys.executable), "/etc/passwd", "/dev/null"):
    attempt("link in", lambda: os.link(source, "y"))
call(316, -100, b"/box/x", -100, b"/etc/passwd", 2, step="exchange")  # renameat2
fd = os.open("/box", os.O_TMPFILE | os.O_RDWR)
attempt("tmpfile out", lambda: os.link(f"/proc/self/fd/{fd}", "/usr/x", follow_symlinks=True))
