# tries = "mount a cgroup tree and set its release agent (CVE-2022-0492)"
# verdict = "ok"
# expect = { "mount" = "ENOSYS", "folder" = "ENOENT", "agent" = "ENOENT", "own groups" = "/" }
for kind in (b"cgroup", b"cgroup2", b"proc", b"sysfs", b"tmpfs", b"overlay", b"devtmpfs"):
    call("mount", b"none", b"/tmp", kind, 0, 0)
attempt("folder", lambda: os.listdir("/sys/fs/cgroup"))
attempt("agent", lambda: open("/sys/fs/cgroup/release_agent", "w"))
for line in open("/proc/self/cgroup").read().split():
    say("own groups", line.split(":", 2)[2])
