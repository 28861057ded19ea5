# tries = "leave a key for the next job in the kernel's keyrings"
# verdict = "ok"
# expect = { "add_key" = "ENOSYS", "request_key" = "ENOSYS", "keyctl" = "ENOSYS" }
for ring in (-1, -2, -3, -4, -5):
    call("add_key", b"user", b"name", b"secret", 6, ring)
    call("keyctl", 0, ring, 1)
call("request_key", b"user", b"name", 0, -3)
call("keyctl", 1, 0)
