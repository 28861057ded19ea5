"""What processes of dead nodes may leave behind: processes of sandboxes, and their cgroups."""

import os
import pathlib


def _stat(pid):
    """(parent, state, start time in ticks) of a process; None when there is none."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2:].split()
    return int(fields[1]), fields[0], int(fields[19])


class Leftovers:
    """Remembers processes by pid and start time, as pids come back. Not thread-safe."""

    def __init__(self):
        self._seen = set()

    def remember(self, pid):
        """Everything below `pid`, which should be stopped, so that it starts nothing meanwhile."""
        table = {int(name): stat for name in os.listdir("/proc") if name.isdigit()
                 and (stat := _stat(name)) is not None}
        below, found = [pid], 0
        while below:
            parent = below.pop()
            for child, (its_parent, _, start) in table.items():
                if its_parent == parent:
                    self._seen.add((child, start))
                    below.append(child)
                    found += 1
        return found

    def processes(self):
        """Those that live."""
        alive = []
        for pid, start in self._seen:
            stat = _stat(pid)
            if stat is not None and stat[2] == start and stat[1] not in "ZX":
                alive.append(pid)
        return alive

    def cgroups(self):
        """The folders of launchers that are dead; a launcher names its folder after itself."""
        names = {f"code-sandbox.{pid}.{start}" for pid, start in self._seen
                 if (stat := _stat(pid)) is None or stat[2] != start}
        found = []
        for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
            _, folder, kind, *_ = line.split()
            if kind.startswith("cgroup"):
                for parent, folders, _ in os.walk(folder):
                    found += [os.path.join(parent, name) for name in folders if name in names]
        return found
