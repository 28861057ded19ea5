# tries = "write the kernel's settings, and its own exemption from the OOM killer"
# verdict = "ok"
# expect = { "sysctl" = "ENOENT", "sysrq" = "ENOENT", "core_pattern" = "ENOENT", "modprobe" = "ENOENT", "sys" = "ENOENT", "oom" = "EACCES", "uid_map" = "EPERM|EACCES", "setgroups" = "EPERM|EACCES", "timens" = "EACCES|EPERM|ENOENT" }
def write(path, text):
    with open(path, "w") as f:
        f.write(text)


attempt("sysctl", lambda: write("/proc/sys/vm/drop_caches", "3"))
attempt("sysrq", lambda: write("/proc/sysrq-trigger", "h"))
attempt("core_pattern", lambda: write("/proc/sys/kernel/core_pattern", "|/box/x"))
attempt("modprobe", lambda: write("/proc/sys/kernel/modprobe", "/box/x"))
attempt("sys", lambda: write("/sys/kernel/uevent_helper", "/box/x"))
attempt("oom", lambda: write("/proc/self/oom_score_adj", "-500"))
attempt("uid_map", lambda: write("/proc/self/uid_map", "0 0 1"))
attempt("setgroups", lambda: write("/proc/self/setgroups", "allow"))
attempt("timens", lambda: write("/proc/self/timens_offsets", "monotonic 1000000 0"))
