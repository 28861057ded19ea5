# tries = "see other processes, by /proc, by ps and by pidfd_open over all numbers"
# verdict = "ok"
# expect = { "proc" = "own only", "pidfds" = "[12] processes" }
pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
say("proc", "own only" if pids == [os.getpid()] else pids)
reached = []
for pid in range(1, 32768):
    try:
        os.close(os.pidfd_open(pid))
        reached.append(pid)
    except OSError:
        pass
say("pidfds", f"{len(reached)} processes")
assert set(reached) <= {1, os.getpid()}
