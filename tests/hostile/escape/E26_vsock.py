# tries = "reach the hypervisor, also with garbage in the upper half of the arguments"
# verdict = "ok"
# expect = { "vsock" = "ENOSYS" }
for high in (0, 1 << 32, -1 << 32):
    for kind in (1, 2, 5):
        call(41, 40 | high, kind | high, 0, step="vsock")
