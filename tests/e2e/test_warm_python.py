"""Python that is started ahead and forked for each job: the same to every program as Python that is not,
and no way from one job to the next."""

import contextlib
import os
import pathlib
import re
import signal

import modes
import pytest

from service import eventually, running, stream
from warm_probes import PROBES

# True in a process that was forked from a zygote.
IS_WARM = "print('sandbox-warm' in open('/proc/self/maps').read())"
ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
# The same for all jobs of one zygote.
LAYOUT = "print(id(None), hash('x'), open('/proc/self/maps').readline().split()[0])"


# Of each zygote that the service has, an import that leads to it.
ZYGOTES = ["", "import json\n"] + ["import numpy\n"] * modes.has_numpy()


def is_warm(service):
    return all(service.run(line + IS_WARM)["stdout"] == "True\n" for line in ZYGOTES)


def wait_until_warm(service):
    eventually(lambda: is_warm(service), what="a warm start")


def layout(service):
    return [service.run(line + LAYOUT)["stdout"] for line in ZYGOTES]


def zygotes(service):
    """Pids of the launcher's children that run Python: pid 1 of a sandbox runs no program."""
    found = []
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            head, _, tail = status.read_text().rpartition(")")
            if "(python" in head and int(tail.split()[1]) == service.launcher():
                found.append(int(status.parent.name))
    return found


@pytest.fixture(scope="module")
def warm():
    with running(SANDBOX_SLOTS="1", SANDBOX_WARM_JOBS="100000", JOB_STORE="memory") as created:
        wait_until_warm(created)
        yield created


def outcome(service, probe):
    code, stdin = probe if isinstance(probe, tuple) else (probe, "")
    result = service.run(code, stdin=stdin, timeout="20s")
    return {
        **{name: result.get(name) for name in ("verdict", "exit_code", "signal", "message")},
        **{name: ADDRESS.sub("0x...", stream(result, name).decode(errors="backslashreplace"))
           for name in ("stdout", "stderr")},
    }


@pytest.mark.parametrize("name", PROBES)
def test_a_program_sees_no_difference(warm, cold, name):
    before = layout(warm)
    assert outcome(warm, PROBES[name]) == outcome(cold, PROBES[name])
    # The same zygote as before has served all the while, so the probe was one of its jobs.
    assert is_warm(warm) and layout(warm) == before


def test_cold_is_cold(cold):
    assert not is_warm(cold)
    assert not set(layout(cold)) & set(layout(cold))


def test_modules_are_loaded_ahead_for_those_that_import_one(warm, cold):
    loaded = "import sys\nprint('textwrap' in sys.modules)"
    assert warm.run(loaded)["stdout"] == cold.run(loaded)["stdout"] == "False\n"
    for line in ("import json", "import os, json", "from json import dumps", "    import re as r"):
        code = f"if True:\n    pass\n{'if True:' if line[0] == ' ' else ''}\n{line}\n{loaded}"
        assert warm.run(code)["stdout"] == "True\n", line
    assert warm.run("x = 'import json'\n" + loaded)["stdout"] == "False\n"


def test_each_job_has_random_numbers_of_its_own(warm):
    for line in ZYGOTES:
        numbers = "import random, secrets, uuid\nprint(random.random(), secrets.token_hex(), uuid.uuid4())\n"
        if "numpy" in line:
            numbers += "print(numpy.random.rand(), numpy.random.default_rng().random())\n"
        drawn = [warm.run(line + numbers)["stdout"].split() for _ in range(3)]
        assert len({number for job in drawn for number in job}) == 3 * len(drawn[0]), drawn


def test_a_module_of_the_program_is_not_mistaken_for_one_that_is_loaded(warm):
    for line in ZYGOTES[1:]:
        name = line.split()[1]
        result = warm.run(line + f"print({name}.mine)", files=[{"path": f"{name}.py", "content": "mine = 1"}])
        assert result["stdout"] == "1\n", result


def test_jobs_are_warm_one_after_the_other_and_at_once(warm):
    ids = [warm.submit(IS_WARM) for _ in range(20)]
    assert [warm.wait(i)["result"]["stdout"] for i in ids] == ["True\n"] * 20


# Only functions of sys.addaudithook tell whether the interpreter is taken apart.
END = """
import os, sys
{}
def hook(event, _, write=os.write):  # what is global is gone by then
    if event == "cpython.PyInterpreterState_Clear":
        write(1, b"taken apart")
sys.addaudithook(hook)
"""


@pytest.mark.parametrize("program", [
    "", "import json, re, collections, dataclasses, datetime", "import decimal, hashlib, statistics\nimport array",
    "class A:\n    def __init__(self): self.itself = self\nall = [A() for _ in range(1000)]"])
def test_a_program_without_finalizers_just_ends(warm, cold, program):
    assert warm.run(END.format(program))["stdout"] == ""
    assert cold.run(END.format(program))["stdout"] == "taken apart"


def test_finalizers_take_the_interpreter_apart(warm):
    for program in ("class A:\n    def __del__(self): pass", "import threading", "f = open('main.py')"):
        assert warm.run(END.format(program))["stdout"] == "taken apart"


def test_random_numbers_are_fresh(warm):
    code = ("import os, random, secrets, tempfile, uuid\n"
            "print(random.random(), random.SystemRandom().random(), uuid.uuid4(), secrets.token_hex(),"
            " os.urandom(8), os.path.basename(tempfile.mktemp()))")
    seen = [warm.run(code)["stdout"].split() for _ in range(5)]
    for values in zip(*seen):
        assert len(set(values)) == len(values), values


# Each job does its worst to the state that it shares with its zygote; then looks for what others did.
MARK = r"""
import builtins, os, signal, sys, pathlib
marks = []
if hasattr(builtins, 'mark'): marks.append('builtins')
if hasattr(sys, 'mark'): marks.append('sys')
if 'mark' in sys.modules: marks.append('modules')
if os.environ.get('MARK'): marks.append('environ')
if hasattr(os, 'mark'): marks.append('os')
if signal.getsignal(signal.SIGUSR1) != signal.SIG_DFL: marks.append('signal')
if sys.getrecursionlimit() != 1000: marks.append('recursion')
if sys.path[0] != '/box': marks.append('path')
if os.umask(0o22) != 0o22: marks.append('umask')
for folder in ('/box', '/tmp', '/dev/shm'):
    if os.listdir(folder) not in ([], ['main.py']): marks.append(folder)
print(marks)
builtins.mark = sys.mark = sys.modules['mark'] = os.mark = os
os.environ['MARK'] = 'x'
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
sys.setrecursionlimit(5000)
sys.path[0] = '/tmp'
os.umask(0)
for folder in ('/box', '/tmp', '/dev/shm'):
    pathlib.Path(folder, 'left').write_text('x')
"""


def test_nothing_passes_from_job_to_job(warm):
    first = layout(warm)
    for _ in range(10):
        assert warm.run(MARK)["stdout"] == "[]\n"
    assert layout(warm) == first


def test_memory_of_a_job_does_not_reach_the_next(warm):
    """The one writes a text all over its memory; the next, of the same zygote, finds none of it in its own."""
    plant = "import os\nkeep = [('TOP' + 'SECRET-%d ' % i) * 50 for i in range(2000)]\nprint(len(keep))"
    find = r"""
import ctypes, re
needle = bytes(c ^ 1 for c in b'UNQRDBSDU')  # not in this source as it is
count = 0
for line in open('/proc/self/maps'):
    words = line.split()
    if words[1].startswith('rw') and '[v' not in line:
        low, high = (int(w, 16) for w in words[0].split('-'))
        count += len(re.findall(needle + b'-[0-9]', ctypes.string_at(low, high - low)))
print(count)
"""
    assert warm.run(find)["stdout"] == "0\n"
    first = layout(warm)
    assert warm.run(plant)["stdout"] == "2000\n"
    assert warm.run(find)["stdout"] == "0\n"
    assert layout(warm) == first


def test_a_job_does_not_reach_the_zygote(warm):
    """Neither by pid, as it is in no pid namespace that a job sees, nor by a descriptor."""
    code = r"""
import os, signal
print(sorted(os.listdir('/proc/self/fd')))
reached = []
for pid in [*range(2, 4000), -1]:
    if pid != os.getpid():
        try:
            os.kill(pid, signal.SIGKILL if pid > 0 else 0); reached.append(pid)
        except OSError:
            pass
print(reached, os.getppid())
"""
    first = layout(warm)
    result = warm.run(code)
    assert result["stdout"].splitlines()[0] == "['0', '1', '2', '3']"
    assert result["stdout"].splitlines()[1].endswith(" 1")
    assert layout(warm) == first


@pytest.mark.modes("as-is", "root", "delegated", "container")  # without groups there are fewer limits
def test_limits_that_were_not_known_when_it_was_parked(start_service):
    service = start_service(SANDBOX_SLOTS="1", JOB_STORE="memory", SANDBOX_MEMORY="48MiB",
                            SANDBOX_PROCESSES="5")
    wait_until_warm(service)
    first = layout(service)
    assert service.run("x = bytearray(200 << 20)")["verdict"] == "memory_limit"
    assert service.run("while True: pass", timeout="300ms")["verdict"] == "time_limit"
    forks = ("import os, time\nn = 0\ntry:\n    while True:\n        if os.fork() == 0: time.sleep(60)\n"
             "        n += 1\nexcept OSError: print(n)")
    assert service.run(forks)["stdout"] == "4\n"
    assert layout(service) == first


def test_usage_is_that_of_the_job(warm, cold):
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    for service in (warm, cold):
        usage = service.run(burn)["usage"]
        assert 190 < usage["cpu_time_ms"] < 400
        assert usage["processes_peak"] == 1
    # What a job shares with its zygote is not its own; what it was given a copy of is.
    hold = "x = bytearray(64 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1"
    used = [s.run(hold)["usage"]["memory_peak_bytes"] for s in (warm, cold)]
    assert min(used) > 64 << 20 and abs(used[0] - used[1]) < 8 << 20
    # And the cost of making its sandbox, which is paid ahead, is none of it.
    assert warm.run("pass")["usage"]["cpu_time_ms"] < cold.run("pass")["usage"]["cpu_time_ms"] + 20


def test_a_zygote_is_replaced_after_so_many_jobs(start_service):
    service = start_service(SANDBOX_SLOTS="1", JOB_STORE="memory", SANDBOX_WARM_JOBS="5")
    wait_until_warm(service)
    layouts = set()

    def replaced():
        layouts.add(layout(service)[0])
        return len(layouts) >= 4

    eventually(replaced, what="four zygotes")
    wait_until_warm(service)
    eventually(lambda: len(zygotes(service)) <= 2 * len(ZYGOTES), what="the end of the old ones")


def test_a_zygote_that_dies_is_started_again(start_service):
    service = start_service(SANDBOX_SLOTS="1", JOB_STORE="memory")
    wait_until_warm(service)
    first = layout(service)
    for pid in zygotes(service):
        os.kill(pid, signal.SIGKILL)
    # Jobs run in any case: in what is parked, then cold.
    for _ in range(10):
        assert service.run("print('runs')")["stdout"] == "runs\n"
    eventually(lambda: is_warm(service) and not set(layout(service)) & set(first),
               what="new zygotes")


def test_a_zygote_has_no_right_on_the_machine(warm):
    pids = zygotes(warm)
    assert len(pids) == len(ZYGOTES)
    for pid in pids:
        check_rights(pid, warm.get("/health").json["isolation"])


def check_rights(pid, isolation):
    status = dict(line.split(":\t", 1) for line in
                  pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    assert all(int(status[f"Cap{name}"], 16) == 0 for name in ("Eff", "Prm", "Inh", "Amb", "Bnd"))
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Threads"].strip() == "1"
    for name in ("user", "mnt", "net", "ipc", "uts", "cgroup"):
        theirs, ours = (os.readlink(f"/proc/{p}/ns/{name}") for p in (pid, "self"))
        if name != "cgroup":
            assert theirs != ours, name
    uids = status["Uid"].split()
    assert len(set(uids)) == 1 and (isolation != "full" or int(uids[0]) > 65536)


def test_the_setting_names_languages(start_service):
    wait_until_warm(start_service(SANDBOX_WARM_START="python", JOB_STORE="memory"))
    with running(healthy=False, SANDBOX_WARM_START="go", JOB_STORE="memory") as service:
        assert service.process.wait(60) == 2
        assert "SANDBOX_WARM_START: 'go' is no language that can be started ahead" in service.log()


def test_a_source_that_is_an_archive_starts_cold(warm):
    """Python looks for an archive at the path when it starts, before it opens the source."""
    code = "data = 'PK\x05\x06'\n" + IS_WARM
    assert warm.run(code)["stdout"] == "False\n"
    assert is_warm(warm)
