# tries = "read the machine's load, memory, uptime and boot id"
# verdict = "ok"
# expect = { "file" = "ENOENT" }
for path in ("/proc/uptime", "/proc/loadavg", "/proc/meminfo", "/proc/sys/kernel/random/boot_id", "/proc/stat",
             "/proc/cpuinfo", "/proc/version", "/proc/net/route", "/proc/interrupts", "/proc/diskstats",
             "/proc/pressure/cpu", "/proc/sys/kernel/hostname", "/proc/vmstat", "/proc/locks", "/proc/timer_list"):
    attempt("file", lambda: open(path).read(1) if path != "/proc/net/route" else open("/proc/route").read())
