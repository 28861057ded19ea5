# tries = "names of 255 bytes with every byte value, and paths of 4096"
# verdict = "ok"
# expect = { "name" = "done", "too long" = "ENAMETOOLONG", "path" = "done|ENOSPC" }
for start in range(1, 256, 16):
    name = bytes(b for b in range(start, min(start + 16, 256)) if b not in (0x2F, 0))
    attempt("name", lambda: os.close(os.open((name * 16)[:255], os.O_CREAT | os.O_WRONLY)))
attempt("too long", lambda: os.open("x" * 256, os.O_CREAT))
attempt("too long", lambda: os.open("x/" * 4096, os.O_CREAT))
attempt("path", lambda: os.makedirs("/tmp/" + "y" * 200 + "/" + "z" * 200))
