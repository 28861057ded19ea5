# tries = "set clocks and use the timers that wake a machine"
# verdict = "ok"
# expect = { "set" = "ENOSYS", "alarm" = "EPERM|ENOTSUP|EINVAL", "rtc" = "ENOENT" }
spec = (ctypes.c_long * 2)(0, 0)
for clock in (0, 1, 11):
    call("clock_settime", clock, spec, step="set")
call("settimeofday", spec, 0, step="set")
call("adjtimex", ctypes.create_string_buffer(256), step="set")
for clock in (8, 9):  # CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM
    call(283, clock, 0, step="alarm")
attempt("rtc", lambda: os.open("/dev/rtc0", os.O_RDONLY))
