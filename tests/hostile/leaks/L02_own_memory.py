# tries = "search its whole address space for what a careless fork of the service would leave there"
# verdict = "ok"
# timeout = "10s"
# expect = { "found" = "none" }
needles = [b"canary-" + part for part in (b"password-", b"host-", b"token-", b"file-")]
found = []
with open("/proc/self/mem", "rb", buffering=0) as memory:
    for line in open("/proc/self/maps"):
        area, rights = line.split()[:2]
        start, end = (int(part, 16) for part in area.split("-"))
        if "r" not in rights or "[v" in line:
            continue
        try:
            memory.seek(start)
            data = memory.read(min(end - start, 64 << 20))
        except (OSError, OverflowError):
            continue
        for needle in needles:
            at = data.find(needle)
            # Its own source holds the needles' parts only.
            while at >= 0:
                tail = data[at + len(needle):at + len(needle) + 8]
                if len(tail) == 8 and all(c in b"0123456789abcdef" for c in tail):
                    found.append(line.rstrip())
                at = data.find(needle, at + 1)
say("found", found or "none")
