# tries = "offer a FIFO as the compiled program, so that whoever opens it waits"
# language = "build"
# verdict = "compile_error"
# message = "could not be read"
call("mknod", b"main", 0o10644, 0)
call("mknodat", -100, b"main", 0o10644, 0)
