# tries = "every filtered argument with garbage in its upper half, which the kernel ignores"
# verdict = "ok"
# expect = { "vsock" = "ENOSYS", "alg" = "ENOSYS", "packet" = "ENOSYS", "raw" = "ENOSYS", "mptcp" = "ENOSYS", "netlink" = "ENOSYS", "clone" = "ENOSYS", "TIOCSTI" = "ENOSYS", "TIOCLINUX" = "ENOSYS", "TIOCSETD" = "ENOSYS", "PR_SET_MM" = "ENOSYS", "PR_SET_DUMPABLE" = "ENOSYS", "PR_SET_SECCOMP" = "ENOSYS", "personality" = "ENOSYS", "allowed" = "done" }
def signed(value):
    return value - (1 << 64) if value >= 1 << 63 else value


for upper in (0, 1, 0x80000000, 0xFFFFFFFF, 0xDEADBEEF):
    h = upper << 32
    for name, arguments in (
            ("vsock", (41, 40 | h, 1 | h, h)), ("alg", (41, 38 | h, 5 | h, h)),
            ("packet", (41, 17 | h, 3 | h, h)), ("raw", (41, 2 | h, 3 | h, 1 | h)),
            ("mptcp", (41, 2 | h, 1 | h, 262 | h)), ("netlink", (41, 16 | h, 3 | h, 12 | h)),
            ("clone", (56, 0x10000011 | h, 0, 0, 0, 0)), ("TIOCSTI", (16, 0, 0x5412 | h, 0)),
            ("TIOCLINUX", (16, 0, 0x541C | h, 0)), ("TIOCSETD", (16, 0, 0x5423 | h, 0)),
            ("PR_SET_MM", (157, 35 | h, 0, 0, 0, 0)), ("PR_SET_DUMPABLE", (157, 4 | h, 1, 0, 0, 0)),
            ("PR_SET_SECCOMP", (157, 22 | h, 1, 0, 0, 0)), ("personality", (135, 0x0400000 | h))):
        call(arguments[0], *(signed(a) for a in arguments[1:]), step=name)
    call(157, signed(3 | h), 0, 0, 0, 0, step="allowed")   # PR_GET_DUMPABLE
    call(41, signed(1 | h), signed(1 | h), signed(h), step="allowed")
