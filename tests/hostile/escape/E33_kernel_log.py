# tries = "read kernel addresses and messages"
# verdict = "ok"
# expect = { "syslog" = "ENOSYS", "file" = "ENOENT", "stack" = "ENOENT|EACCES|EPERM", "kstkeip" = "0" }
call("syslog", 3, ctypes.create_string_buffer(4096), 4096)
for path in ("/dev/kmsg", "/proc/kmsg", "/proc/kallsyms", "/proc/modules", "/proc/iomem", "/proc/kcore",
             "/proc/slabinfo", "/proc/vmallocinfo", "/sys/kernel/notes", "/sys/kernel/debug", "/dev/mem"):
    attempt("file", lambda: open(path, "rb").read(1))
attempt("stack", lambda: open("/proc/self/stack").read() and None)
say("kstkeip", open("/proc/self/stat").read().rsplit(")", 1)[1].split()[27])
