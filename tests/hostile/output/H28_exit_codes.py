# tries = "exit with a code beyond a byte after reporting success"
# verdict = "nonzero_exit"
# exit_code = 255
print("ok", flush=True)
libc._exit(-1)
