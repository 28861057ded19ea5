# tries = "fill 1000 pipes of 1 MiB each"
# verdict = "ok"
# expect = { "grow" = "EPERM" }
import fcntl

F_SETPIPE_SZ = 1031
grown = 0
for _ in range(400):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        fcntl.fcntl(writer, F_SETPIPE_SZ, 1 << 20)
        grown += 1
    except OSError as error:
        say("grow", errno_name(error.errno))
        break
    try:
        while True:
            os.write(writer, b"x" * 65536)
    except BlockingIOError:
        pass
assert grown <= 64, f"{grown} MiB in pipes"
