"""Where the processor time of a job goes, by process; a part of bench.py.

What the kernel has counted, before and after a closed loop of clients. It begins and ends with
nothing running and with all made ahead that is to be, so that each job has paid for its sandbox.
"""

import contextlib
import os
import pathlib
import resource

from harness import Client, children, metrics, tree, until_idle, until_ready
from jobs import many

CASES = ("Python hello", "C hello, same source")
TESTS = 20  # of a judge job
BARE_RUNS = 20
LAUNCHER = "sandbox-launche"  # as far as the kernel keeps a name
STORE_THREADS = {"sqlite-write": "store_write", "sqlite-read": "store_read"}
PROC = pathlib.Path("/proc")
KTHREADD = 2  # the parent of the kernel's threads
NOT_IDLE = (0, 1, 2, 5, 6)  # user, nice, system, irq, softirq: the rest is idle, or not this machine
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")  # of /proc/stat and /proc/PID/stat


class Unknown(RuntimeError):
    """The kernel does not tell."""


def measure(pid, port, cases, seconds, cores):
    """`pid`: of sandboxd. `cases`: (case, clients, how many units a job of it is: tests, or 1).
    Milliseconds a unit."""
    rows, unknown = [], None
    for case, clients, units in cases:
        with contextlib.closing(Client(port)) as client:
            case.job(client)  # compiles it
        many(port, case, clients, seconds / 2)  # as many of its kind are kept as then
        _settle(port)
        jobs = _finished(port)
        kernel = of_kernel()
        try:
            before = of_service(pid)
        except Unknown as error:
            before, unknown = None, str(error)
        of_load, machine = of_ended_here(), of_machine()
        found = many(port, case, clients, seconds)
        of_load = of_ended_here() - of_load
        _settle(port)
        machine = of_machine() - machine
        parts = {"machine": machine, "client": of_load}
        if before is not None:
            parts |= {name: value - before[name] for name, value in of_service(pid).items()}
            parts["kernel"] = sum(used - kernel.get(thread, 0)
                                  for thread, used in of_kernel().items())
            parts["rest"] = machine - sum(value for name, value in parts.items() if name != "machine")
        done = (_finished(port) - jobs) * units
        parts = {name: value / done for name, value in parts.items()}
        rows.append({"case": case.name, "clients": clients, "done": done, "ms": parts,
                     "bare_ms": _of_bare(case.bare), "bound": cores * 1000 / parts["machine"],
                     "per_second": found["completed"] * units / found["seconds"]})
    return {"rows": rows, "unknown": unknown}


def _settle(port):
    until_idle(port)
    with contextlib.closing(Client(port)) as client:
        until_ready(client)


def _finished(port):
    """Jobs since the service began."""
    with contextlib.closing(Client(port)) as client:
        return int(sum(value for name, _, value in metrics(client)
                       if name == "sandbox_jobs_finished_total"))


def of_ended_here():
    """Milliseconds of the commands that this program has started and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def _of_bare(bare):
    before = of_ended_here()
    for _ in range(BARE_RUNS):
        bare()
    return (of_ended_here() - before) / BARE_RUNS


def of_machine():
    """Milliseconds of all processors that were not idle."""
    figures = (PROC / "stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(int(figures[i]) for i in NOT_IDLE) * TICK_MS


def of_threads(pid):
    """{thread id: milliseconds} of the threads that a process has."""
    found = {}
    for thread in (PROC / str(pid) / "task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            found[int(thread.name)] = int((thread / "schedstat").read_text().split()[0]) / 1e6
    return found


def of_ended(pid):
    """Milliseconds of the children that a process has waited for, and of those that they have."""
    figures = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(figures[13]) + int(figures[14])) * TICK_MS


def of_children(pid):
    """Milliseconds of all that a process has started, whether it lives or was waited for."""
    total = of_ended(pid)
    for child in tree(pid):
        if child != pid:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                total += sum(of_threads(child).values()) + of_ended(child)
    return total


def of_kernel():
    """{process id: milliseconds} of the kernel's threads, as far as they are to be seen from here."""
    found = {}
    for thread in children(KTHREADD):
        with contextlib.suppress(OSError):
            if not (PROC / str(thread) / "cmdline").read_bytes():
                found[thread] = sum(of_threads(thread).values())
    return found


def of_service(pid):
    """Milliseconds until now, by what has used them. Unknown where the kernel does not tell."""
    parts = dict.fromkeys(("loop", *STORE_THREADS.values(), "other_threads"), 0.0)
    try:
        for thread, used in of_threads(pid).items():
            name = (PROC / str(pid) / "task" / str(thread) / "comm").read_text().strip()
            part = "loop" if thread == pid else STORE_THREADS.get(name, "other_threads")
            parts[part] += used
        if not parts["loop"]:
            raise Unknown("/proc/PID/task/TID/schedstat says nothing (CONFIG_SCHED_INFO)")
        launcher = next((child for child in children(pid)
                         if (PROC / str(child) / "comm").read_text().strip() == LAUNCHER), None)
        if launcher is None:
            raise Unknown("the launcher is not to be seen in /proc")
        parts["launcher"] = sum(of_threads(launcher).values())
        parts["sandboxes"] = of_children(launcher)
    except OSError as error:
        raise Unknown(f"{error.filename} cannot be read ({error.strerror})") from error
    return parts
