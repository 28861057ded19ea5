"""Where and when a run was made."""

import os
import pathlib
import platform
import subprocess
import sys
import time

from harness import ROOT


def _git(*words):
    done = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def machine(command):
    """`command`: the words before those that this program was given."""
    models = [line.partition(":")[2].strip()
              for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
              if line.startswith("model name")]
    commit = _git("rev-parse", "--short=10", "HEAD") or "unknown"
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": commit + (" with changes" if _git("status", "--porcelain", "-uno") else ""),
        "command": " ".join([command, *sys.argv[1:]]),
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count() or 1,
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "os": platform.freedesktop_os_release()["PRETTY_NAME"],
        "kernel": os.uname().release,
        "load": os.getloadavg()[0],
        "missing": [],
    }
