# tries = "run before everybody else: real-time and deadline classes, priorities, I/O classes"
# verdict = "ok"
# expect = { "fifo" = "ENOSYS", "param" = "ENOSYS", "deadline" = "ENOSYS", "nice" = "EPERM", "ioprio" = "ENOSYS", "class" = "0", "priority" = "0", "autogroup" = "ENOENT|EACCES|EPERM|done|EAGAIN", "uclamp" = "ENOSYS" }
import resource  # noqa: F401

parameter = (ctypes.c_int * 1)(99)
for policy in (1, 2, 6):
    call("sched_setscheduler", 0, policy, parameter, step="fifo")
call("sched_setparam", 0, parameter, step="param")
attributes = (ctypes.c_uint * 14)(56, 6, 0, 0, 0, 0, 1000000, 0, 10000000, 0, 10000000, 0)
call("sched_setattr", 0, attributes, 0, step="deadline")
attempt("nice", lambda: os.setpriority(os.PRIO_PROCESS, 0, -20))
attempt("nice", lambda: os.setpriority(os.PRIO_USER, 0, 19))
call("ioprio_set", 1, 0, (1 << 13), step="ioprio")
call("sched_setattr", 0, (ctypes.c_uint * 14)(56, 0, 0x60, 0), 0, step="uclamp")
say("class", os.sched_getscheduler(0))
say("priority", os.getpriority(os.PRIO_PROCESS, 0))


def autogroup():
    with open("/proc/self/autogroup", "w") as f:
        f.write("-20")


attempt("autogroup", autogroup)
