# tries = "write every file of its own folder in /proc"
# verdict = "ok"
# expect = { "written" = "[a-z_ ]*", "oom_score_adj" = "-?[0-9]+", "seccomp" = "2", "root" = "/" }

# loginuid: once, where the audit subsystem has not set it; it names this process in the audit log.
HARMLESS = {"autogroup", "clear_refs", "comm", "coredump_filter", "loginuid", "mem", "oom_adj", "oom_score_adj", "sched",
            "timerslack_ns", "timens_offsets"}
written = []
for name in sorted(os.listdir("/proc/self")):
    for text in (b"0\n", b"1\n", b"-1000\n"):
        try:
            fd = os.open(f"/proc/self/{name}", os.O_WRONLY)
            os.write(fd, text)
            written.append(name)
            os.close(fd)
        except OSError:
            pass
for name in ("current", "exec", "fscreate", "keycreate", "sockcreate", "prev", "smack/current"):
    try:
        with open(f"/proc/self/attr/{name}", "w") as f:
            f.write("unconfined")
        written.append("attr/" + name)
    except OSError:
        pass
say("written", " ".join(sorted(set(written))))
assert set(written) <= HARMLESS, set(written) - HARMLESS
say("oom_score_adj", open("/proc/self/oom_score_adj").read().strip())
say("seccomp", next(line.split()[1] for line in open("/proc/self/status") if line.startswith("Seccomp:")))
say("root", os.readlink("/proc/self/root"))
assert int(open("/proc/self/oom_score_adj").read()) >= 0
