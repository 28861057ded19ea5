# tries = "open files of the host by handle (the shocker of early Docker)"
# verdict = "ok"
# expect = { "name_to_handle_at" = "ENOSYS", "open_by_handle_at" = "ENOSYS" }
handle = ctypes.create_string_buffer(b"\x08\0\0\0\1\0\0\0" + b"\2\0\0\0\0\0\0\0", 136)
for path in (b"/", b"/usr", b"/etc/passwd", b"/box"):
    call("name_to_handle_at", -100, path, handle, ctypes.byref(ctypes.c_int()), 0)
    fd = os.open(path, os.O_RDONLY)
    for inode in (1, 2, 3, 128):
        handle[8:16] = inode.to_bytes(8, "little")
        call("open_by_handle_at", fd, handle, 0)
