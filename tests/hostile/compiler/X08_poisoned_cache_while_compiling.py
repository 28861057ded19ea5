# tries = "change the compilers' caches from within a compile step"
# language = "build"
# verdict = "compile_error"
# compile_expect = { "cache" = "EROFS|ENOENT|EACCES", "lock" = "done|EROFS|ENOENT|EACCES" }
import fcntl
import glob

attempt("cache", lambda: open("/cache/go/evil", "w"))
for path in glob.glob("/cache/*/*")[:50]:
    attempt("cache", lambda: os.rename(path, path + ".x"))
    if os.path.isfile(path):
        attempt("cache", lambda: open(path, "r+b"))
        attempt("lock", lambda: fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB))
attempt("lock", lambda: fcntl.flock(os.open("/cache/go/trim.txt", os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB))
