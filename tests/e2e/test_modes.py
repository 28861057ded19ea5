"""What holds in every way of starting the service (modes.py), and what each says that it lacks."""

import os
import pathlib
import signal
import time

import pytest

from modes import Mode
from service import Service, eventually

needs_cgroup = pytest.mark.modes("as-is", "root", "delegated", "container")


def children(pid):
    """Processes whose parent is `pid`."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def launcher(service):
    (pid,) = children(service.process.pid)
    return pid


def groups_of(pid):
    """The folders that this launcher has in any tree of control groups. Anybody's groups may go
    while they are walked over, which os.walk takes for empty."""
    return [pathlib.Path(parent, name)
            for parent, folders, _ in os.walk("/sys/fs/cgroup")
            for name in folders if name.startswith(f"code-sandbox.{pid}.")]


def alive(marker):
    """Whether a process runs that has `marker` among its arguments."""
    for cmdline in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in cmdline.read_bytes():
                return True
        except OSError:
            continue
    return False


def new_marker():
    return f"marker-{os.getpid()}-{time.monotonic_ns()}"


# Ends well only when it is killed: many processes in sessions of their own that ignore all signals.
DAEMONS = """
import os, signal, sys, time
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
for _ in range(8):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(300)", {marker!r}])
        os._exit(0)
print("started", flush=True)
{end}
"""


def test_health_tellsTheLevelAndWhatItDoesNotLimit(service):
    health = service.get("/health").json
    assert health["isolation"] == service.mode.isolation
    what = " ".join(health["not_limited"])
    assert (what == "") == (health["isolation"] == "full")
    assert ("memory" in what and "cpu_time" in what) == (health["isolation"] == "no-cgroup")
    for sentence in health["not_limited"]:
        assert f"not limited: {sentence}" in service.log()


def test_levelBelowTheDemanded_isRefusedWithWhatIsMissing():
    # An ordinary user without control groups.
    service = Service(mode=Mode("no-cgroup"), SANDBOX_MIN_ISOLATION="rootless")
    try:
        with pytest.raises(AssertionError) as refused:
            service.start()
    finally:
        service.close()
    said = str(refused.value)
    assert "exited with 1" in said
    assert "no-cgroup is below SANDBOX_MIN_ISOLATION=rootless" in said
    assert "version 2:" in said and "version 1:" in said
    assert "SANDBOX_MIN_ISOLATION=no-cgroup runs without" in said
    assert "Delegate=yes" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="being refused for want of root needs root")
def test_root_isNotDemandedInVain():
    service = Service(mode=Mode("no-cgroup"), SANDBOX_MIN_ISOLATION="full")
    try:
        with pytest.raises(AssertionError, match="below SANDBOX_MIN_ISOLATION=full"):
            service.start()
    finally:
        service.close()


def test_memory_isLimited(service):
    result = service.run("blocks = []\nwhile True: blocks.append(b'x' * (1 << 20))")
    if service.mode.isolation == "no-cgroup":
        assert (result["verdict"], result["exit_code"]) == ("nonzero_exit", 1)
        assert "MemoryError" in result["stderr"]
    else:
        assert result["verdict"] == "memory_limit"
        assert 200 << 20 < result["usage"]["memory_peak_bytes"] <= 257 << 20


@needs_cgroup
def test_memoryOfAChild_isTheJobs(service):
    result = service.run("""
import os
if os.fork() == 0:
    blocks = []
    while True: blocks.append(b'x' * (1 << 20))
os.wait()
print("the parent ends well")
""", timeout="20s")
    assert result["verdict"] == "memory_limit"


@needs_cgroup
def test_sharedMemory_isTheJobs(service):
    result = service.run("""
import mmap
shared = mmap.mmap(-1, 1 << 30)
for at in range(0, 1 << 30, 4096):
    shared[at] = 1
""", timeout="60s")
    assert result["verdict"] == "memory_limit"


@needs_cgroup
def test_filesInMemory_areTheJobs(service):
    result = service.run("""
import os
def fill(folder, size):
    with open(folder + "/f", "wb") as f:
        f.write(b"x" * size)
for folder, size in ((".", 60), ("/tmp", 60), ("/dev/shm", 15)):
    fill(folder, size << 20)
blocks = [b"x" * (1 << 20) for _ in range(180)]
print("more than the limit")
""", timeout="60s")
    assert result["verdict"] == "memory_limit"


def test_processes_areLimited(service):
    result = service.run("""
import os, time
count = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60)
        count += 1
except OSError as error:
    print(error.errno, count, flush=True)
os._exit(0)
""", timeout="20s")
    error, count = map(int, result["stdout"].split())
    assert error == 11  # EAGAIN
    assert 32 <= count <= 64


def test_processesOfNeighbours_areCountedApart(start_service):
    service = start_service(SANDBOX_SLOTS="3")
    code = """
import os, time
count = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60)
        count += 1
except OSError:
    print(count, flush=True)
time.sleep(3)  # until the neighbours have reached their limits, too
os._exit(0)
"""
    jobs = [service.submit(code, timeout="30s") for _ in range(3)]
    counts = [int(service.wait(job)["result"]["stdout"]) for job in jobs]
    assert all(32 <= count <= 64 for count in counts), counts


def test_wallTime_isLimited(service):
    started = time.monotonic()
    result = service.run("import time; time.sleep(60)", timeout="1s")
    assert result["verdict"] == "time_limit"
    assert time.monotonic() - started < 20


@needs_cgroup
def test_cpuTime_isThatOfAllProcesses(service):
    result = service.run("""
import os, time
for _ in range(4):
    if os.fork() == 0:
        end = time.process_time() + 0.5
        while time.process_time() < end: pass
        os._exit(0)
while True:
    try: os.wait()
    except ChildProcessError: break
""", timeout="30s")
    assert result["verdict"] == "ok"
    assert result["usage"]["cpu_time_ms"] >= 2000


def test_output_isLimited(service):
    result = service.run("while True: print('x' * 1000)", timeout="20s")
    assert result["verdict"] == "output_limit"
    assert len(result["stdout"]) == 1 << 20


def test_filesAndNames_areLimited(service):
    result = service.run("""
import errno, os
def until_refused(act):
    n = 0
    try:
        while n < 100_000:
            act(n)
            n += 1
    except OSError as error:
        return errno.errorcode[error.errno], n
for folder, files in ((".", 4096), ("/tmp", 4096), ("/dev/shm", 1024)):
    why, n = until_refused(lambda n: open(f"{folder}/{n}", "w").close())
    print(folder, why, 0.9 * files < n <= files)
    for name in range(n):
        os.remove(f"{folder}/{name}")
    with open(folder + "/big", "wb", buffering=0) as big:
        print(*until_refused(lambda n: big.write(b"x" * (1 << 20)) or 0)[:1])
    os.remove(folder + "/big")
""", timeout="30s")
    assert result["verdict"] == "ok", result
    lines = result["stdout"].splitlines()
    assert lines[::2] == [". ENOSPC True", "/tmp ENOSPC True", "/dev/shm ENOSPC True"]
    assert set(lines[1::2]) <= {"ENOSPC", "EFBIG"}


@pytest.mark.parametrize("end, timeout, verdicts", [
    ("", "30s", {"ok"}),
    ("while True: pass", "6s", {"time_limit"}),
    ("os.kill(os.getpid(), 9)", "30s", {"signalled"}),
    ("while True:\n    try: os.fork()\n    except OSError: pass", "6s",
     {"time_limit", "process_limit"}),
], ids=["exit", "spin", "signal", "forkBomb"])
def test_killAll_leavesNoProcess(service, end, timeout, verdicts):
    marker = new_marker()
    result = service.run(DAEMONS.format(marker=marker, end=end), timeout=timeout)
    assert result["verdict"] in verdicts, result
    assert result["stdout"] == "started\n"
    assert not alive(marker), "the answer is given only when all processes are dead"


def test_cancelledByTheEndOfTheService_leavesNothing(start_service):
    service = start_service(HTTP_SHUTDOWN_TIMEOUT="0s")
    marker = new_marker()
    service.submit(DAEMONS.format(marker=marker, end="while True: pass"), timeout="60s")
    eventually(lambda: alive(marker), what="the job's processes")
    pid = launcher(service)
    service.terminate()
    eventually(lambda: not alive(marker) and not groups_of(pid), 20,
               what="no process and no control group of the service")


def test_killedService_leavesNothing(start_service):
    service = start_service()
    marker = new_marker()
    service.submit(DAEMONS.format(marker=marker, end="while True: pass"), timeout="60s")
    eventually(lambda: alive(marker), what="the job's processes")
    pid = launcher(service)
    service.kill()
    eventually(lambda: not alive(marker) and not groups_of(pid), 20,
               what="no process and no control group of the service")


# In the other modes a manager makes the group anew.
@pytest.mark.modes("as-is", "root")
def test_killedLauncher_isSweptAtTheNextStart(start_service):
    service = start_service()
    pid = launcher(service)
    groups = groups_of(pid)
    assert groups
    os.kill(pid, signal.SIGKILL)
    service.process.wait(30)  # sandboxd cannot go on without it
    assert any(path.exists() for path in groups)
    service.start()
    assert not any(path.exists() for path in groups)
    assert service.run("print(1)")["verdict"] == "ok"


def test_jobs_leaveNoGroupMountOrProcess(service):
    pid = launcher(service)

    def measure():
        """None when a group went while it was looked at."""
        try:
            leaves = sum(1 for group in groups_of(pid) for path in group.iterdir() if path.is_dir())
        except FileNotFoundError:
            return None
        mounts = len(pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines())
        return leaves, mounts, len(children(pid)), len(os.listdir(f"/proc/{pid}/fd"))

    def jobs():
        for end in ("", "while True: pass"):
            for _ in range(4):
                service.run(DAEMONS.format(marker=new_marker(), end=end), timeout="1s")

    seen = []

    def settled():
        """What the measure has been for twenty looks: what is started ahead is there, and no more."""
        now = measure()
        if seen and now != seen[-1]:
            seen.clear()
        seen.append(now)
        return len(seen) >= 20 and now

    jobs()
    before = eventually(settled, 60, every=0.2, what="the number of parked sandboxes to settle")
    jobs()

    def back():
        after = measure()
        return after is not None and all(now <= then for now, then in zip(after, before))

    eventually(back, 20, what=f"what was there before, {before}")
