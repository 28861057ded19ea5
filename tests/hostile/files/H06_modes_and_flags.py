# tries = "make its folders unreadable, immovable and undeletable"
# verdict = "ok"
# expect = { "chmod" = "done", "flags" = "ENOSYS", "rmdir" = "EBUSY|EROFS|EACCES|EPERM|EXDEV", "chown" = "EPERM", "umount" = "ENOSYS" }
fd = os.open("/box", os.O_RDONLY)
call(16, fd, 0x40086602, ctypes.byref(ctypes.c_long(0x30)), step="flags")  # immutable, append only
call(16, fd, 0x401C5820, ctypes.create_string_buffer(28), step="flags")
attempt("rmdir", lambda: os.rmdir("/box"))
attempt("rmdir", lambda: os.rename("/box", "/tmp/box"))
attempt("chown", lambda: os.chown("/box", 0, 0))
call("umount2", b"/box", 2, step="umount")
for path in ("/box/main.py", "/box"):
    attempt("chmod", lambda: os.chmod(path, 0))
