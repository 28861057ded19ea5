# tries = "copy its own data over read-only files inside the kernel"
# verdict = "ok"
# expect = { "copy" = "EBADF", "sendfile" = "EBADF", "reflink" = "ENOSYS" }
with open("data", "wb") as f:
    f.write(b"x" * 4096)
data = os.open("data", os.O_RDWR)
for path in (os.path.realpath(sys.executable), os.__file__, "/etc/passwd"):
    target = os.open(path, os.O_RDONLY)
    call("copy_file_range", data, 0, target, 0, 4096, 0, step="copy")
    attempt("sendfile", lambda: os.sendfile(target, data, 0, 4096))
    call(16, target, 0x40049409, data, step="reflink")   # FICLONE
