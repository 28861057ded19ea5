# tries = "map a read-only file for writing, at once and later"
# verdict = "ok"
# expect = { "shared" = "EACCES", "mprotect" = "EACCES", "open" = "EROFS|ETXTBSY|EACCES" }
PROT_READ, PROT_WRITE, MAP_SHARED = 1, 2, 1
path = os.path.realpath(sys.executable)
fd = os.open(path, os.O_RDONLY)
call("mmap", 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, step="shared")
area = raw("mmap", 0, 4096, PROT_READ, MAP_SHARED, fd, 0)
call(10, area, 4096, PROT_READ | PROT_WRITE, step="mprotect")
attempt("open", lambda: os.open(path, os.O_RDWR))
