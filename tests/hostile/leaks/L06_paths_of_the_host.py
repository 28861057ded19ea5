# tries = "read the kernel's command line, the mounts and the control groups"
# verdict = "ok"
# expect = { "cmdline" = "ENOENT", "cgroup" = "/", "partitions" = "ENOENT", "mount points" = "/ .*" }
attempt("cmdline", lambda: open("/proc/cmdline").read())
attempt("partitions", lambda: open("/proc/partitions").read())
for line in open("/proc/self/cgroup").read().split():
    say("cgroup", line.split(":", 2)[2])
text = open("/proc/self/mountinfo").read()
say("mount points", " ".join(sorted(line.split()[4] for line in text.splitlines())))
print(text, open("/proc/self/mounts").read(), open("/proc/self/mountstats").read(), file=sys.stderr)
