# tries = "use up epoll sets and timers, which are counted by user"
# verdict = "ok"
# needs = ["uid"]
# expect = { "epoll" = "EMFILE after [0-9]+", "timers" = "EAGAIN after [0-9]+" }
TIMER_CREATE = 222


def use_up(step, make):
    made = []
    while (result := make()) >= 0:
        made.append(result)
        assert len(made) < 5000
    say(step, f"{errno_name(ctypes.get_errno())} after {len(made)}")
    return made


for fd in use_up("epoll", lambda: libc.epoll_create1(0)):
    os.close(fd)
use_up("timers", lambda: libc.syscall(TIMER_CREATE, 0, None, (ctypes.c_int * 1)()))
