# tries = "write 2 GiB into a file and read it back"
# verdict = "ok"
# expect = { "write" = "(ENOSPC|EFBIG) after 6[34] MiB", "read" = "6[34] MiB" }
with open("big", "wb", buffering=0) as f:
    written = 0
    try:
        while written < 2 << 30:
            written += f.write(b"x" * (1 << 20))
    except OSError as error:
        say("write", f"{errno_name(error.errno)} after {written >> 20} MiB")
with open("big", "rb") as f:
    size = 0
    while part := f.read(1 << 20):
        size += len(part)
say("read", f"{size >> 20} MiB")
