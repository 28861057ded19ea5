# tries = "offer a sparse file of 1 TiB"
# language = "build"
# verdict = "compile_error"
# compile_stdout = "size: EFBIG"
fd = os.open("main", os.O_CREAT | os.O_RDWR)
attempt("size", lambda: os.ftruncate(fd, 1 << 40))
attempt("size", lambda: os.posix_fallocate(fd, 0, 1 << 40))
os.remove("main")
