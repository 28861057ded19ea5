"""What a job cannot cost less than, whoever runs it: measured beside the service; a part of bench.py.

A durable write, as each job ends with. The Go compiler and linker alone, called as a Go job calls
them, with all prepared (config/languages/go.toml). New namespaces for a process, by unshare(1).
"""

import os
import re
import shutil
import subprocess
import time

from harness import BUILD, percentile, run_bare, timed
from processor import of_machine

BLOCK = 16 << 10  # what the journal takes for a job, about
BLOCKS = 256      # the file has its length, as the journal has
PAUSE = 0.02      # seconds between writes, as between the jobs of one client
GO_CASES = ("Go hello", "Go net/http + encoding/json")
UNSHARE = ["unshare", "--user", "--map-root-user", "--mount", "--ipc", "--uts", "--pid", "--fork"]
TRUE = "/bin/true"


def measure(folder, cases, rounds):
    """`cases`: those of jobs.py. Milliseconds, p50; of the namespaces processor time of the machine
    for each."""
    write, beside = durable_writes(folder, rounds)
    found = {"write_ms": write, "new_file_ms": beside, "go": [], "namespaces": None}
    cache = next(iter(sorted(BUILD.glob("cache/go-*/direct.env"))), None)
    for case in cases:
        if case.name in GO_CASES and cache is not None:
            found["go"].append(go_tools(folder, cache.parent, case, rounds))
    if shutil.which(UNSHARE[0]) and _works([*UNSHARE, "--net", TRUE]):
        found["namespaces"] = namespaces(rounds)
    return found


def durable_writes(folder, rounds):
    """p50 of a write of BLOCK bytes that is on the disk, in place and where the file grows."""
    def write_all(name, grown):
        times = []
        with open(folder / name, "wb", buffering=0) as file:
            if grown:
                file.write(bytes(BLOCK * BLOCKS))
                os.fsync(file.fileno())
            for i in range(rounds):
                time.sleep(PAUSE)
                at = (i % BLOCKS if grown else i) * BLOCK
                times.append(timed(_write_durably, file.fileno(), at))
        os.unlink(folder / name)
        return percentile(times, 50)

    return write_all("in-place", True), write_all("growing", False)


def _write_durably(fd, at):
    os.pwrite(fd, b"x" * BLOCK, at)
    os.fdatasync(fd)


def go_tools(folder, cache, case, rounds):
    """The compiler and the linker in turns with `go run`."""
    root, tools = (cache / "direct.env").read_text().split("\n")[:2]
    configs = {}
    for name in ("compile", "link"):
        configs[name] = folder / f"{name}.cfg"
        text = (cache / f"{name}.cfg").read_text()
        configs[name].write_text(re.sub(r"=/cache/go/", f"={cache}/", text))
    source, binary, archive = folder / "floor.go", folder / "floor", folder / "floor.a"
    source.write_text(case.source.replace("{n}", "0"))
    env = {"PATH": "/usr/bin:/bin", "GOROOT": root, "GOGC": "off", "GOMEMLIMIT": "512MiB"}
    compiling = [f"{tools}/compile", "-o", archive, "-p", "main", "-complete", "-pack", "-dwarf=false",
                 "-nolocalimports", "-importcfg", configs["compile"], source]
    linking = [f"{tools}/link", "-o", binary, "-s", "-w", "-buildmode=exe", "-buildid=", "-importcfg",
               configs["link"], archive]
    times = {"compile": [], "link": [], "bare": []}
    for _ in range(rounds):
        times["compile"].append(timed(run_bare, list(map(str, compiling)), env, ""))
        times["link"].append(timed(run_bare, list(map(str, linking)), env, ""))
        times["bare"].append(timed(case.bare))
    return {"case": case.name, **{name: percentile(all_of, 50) for name, all_of in times.items()}}


def namespaces(rounds):
    """Processor time of the machine for a process in new namespaces, less that of the process."""
    def cost(argv):
        before = of_machine()
        for _ in range(runs):
            subprocess.run(argv, check=True)
        return (of_machine() - before) / runs

    runs = 4 * rounds
    bare, others = cost([TRUE]), cost([*UNSHARE, TRUE])
    return {"others_ms": others - bare, "network_ms": cost([*UNSHARE, "--net", TRUE]) - others}


def _works(argv):
    return subprocess.run(argv, capture_output=True).returncode == 0
