# tries = "files of 1 TiB that take no room, in every writable folder"
# verdict = "ok"
# expect = { "truncate" = "EFBIG", "fallocate" = "EFBIG|ENOSPC", "seek" = "EFBIG", "memfd" = "EFBIG|done" }
for folder in ("/box", "/tmp", "/dev/shm"):
    fd = os.open(folder + "/sparse", os.O_CREAT | os.O_RDWR)
    attempt("truncate", lambda: os.ftruncate(fd, 1 << 40))
    attempt("fallocate", lambda: os.posix_fallocate(fd, 0, 1 << 40))
    attempt("seek", lambda: os.pwrite(fd, b"x", 1 << 40))
attempt("memfd", lambda: os.ftruncate(os.memfd_create("x"), 1 << 40))
