"""What sandboxd and its launcher hold while they run: no privilege, no secret, nothing inherited."""

import os
import pathlib
import subprocess

import pytest

from service import SANDBOXD, Service, base_environment, eventually, free_port

SECRET = "correct-horse-battery-staple"
AS_ROOT = os.geteuid() == 0


def status(pid):
    """/proc/<pid>/status as a dictionary."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def children(pid):
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def descriptors(pid):
    """Descriptor -> what it leads to. Only root sees those of a process that is not dumpable."""
    found = {}
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[int(entry.name)] = os.readlink(entry)
        except FileNotFoundError:
            pass  # closed meanwhile
    return found


@pytest.fixture
def launcher(service):
    named = [pid for pid in children(service.process.pid)
             if status(pid)["Name"] == "sandbox-launche"]
    assert len(named) == 1
    return named[0]


def threads(pid):
    return sorted(int(task.name) for task in pathlib.Path(f"/proc/{pid}/task").iterdir())


def test_everyThread_isWithoutCapabilitiesAndConfined(service):
    service.run("print(1)")  # all threads exist
    assert len(threads(service.process.pid)) > 1
    for thread in threads(service.process.pid):
        found = status(thread)
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(found[name], 16) == 0, name
        assert found["NoNewPrivs"] == "1"
        assert found["Seccomp"] == "2"
        if AS_ROOT:
            assert int(found["CapBnd"], 16) == 0
            assert "0" not in found["Uid"].split() + found["Gid"].split()
            assert found["Groups"] == ""


def test_startMessage_saysWhatConfinesTheService(service):
    assert "confined:  seccomp" in service.log(1_000_000)


def test_nobodyMayTraceOrReadTheService(service, launcher):
    uid = int(status(service.process.pid)["Uid"].split()[0])
    for pid in (service.process.pid, launcher) if AS_ROOT else (service.process.pid,):
        # Files of a process that is not dumpable belong to root (proc(5)).
        info = os.stat(f"/proc/{pid}/environ")
        assert (info.st_uid, info.st_gid) == (0, 0)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if AS_ROOT:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            for name in ("environ", "mem", "maps"):
                try:
                    os.close(os.open(f"/proc/{service.process.pid}/{name}", os.O_RDONLY))
                    os._exit(2)
                except PermissionError:
                    code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_stateFolderOutOfReach_isSaidBeforeTheServiceStarts(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    # As root the service user is another one, which may not pass; else nobody may.
    closed.chmod(0o700 if AS_ROOT else 0)
    environment = {**base_environment(), "STATE_DIR": str(closed / "state"),
                   "HTTP_PORT": str(free_port())}
    done = subprocess.run([str(SANDBOXD)], env=environment, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=300)
    closed.chmod(0o700)
    assert done.returncode == 2, done.stderr
    assert str(closed / "state") in done.stderr
    if AS_ROOT:
        assert "STATE_DIR" in done.stderr and "searchable" in done.stderr


def test_secrets_areGoneFromTheEnvironment(start_service):
    service = start_service(REDIS_PASSWORD=SECRET, JOB_STORE="memory")
    service.run("print(1)")
    environment = pathlib.Path(f"/proc/{service.process.pid}/environ")
    if AS_ROOT:
        text = environment.read_bytes()
        assert b"HTTP_PORT=" in text and b"REDIS_PASSWORD=" in text
        assert SECRET.encode() not in text
        for child in children(service.process.pid):
            assert pathlib.Path(f"/proc/{child}/environ").read_bytes() == b""
    else:
        with pytest.raises(PermissionError):
            environment.read_bytes()
    # And no program sees it.
    code = "import os; print(dict(os.environ)); print(open('/proc/self/environ').read())"
    assert SECRET not in service.run(code)["stdout"]
    assert SECRET not in service.log(1_000_000)


def test_nothingIsInherited(tmp_path):
    canary = tmp_path / "canary"
    canary.write_text("x")
    low = os.open(canary, os.O_RDONLY)
    high = os.dup2(low, 300)
    service = Service()
    try:
        service.pass_fds = (low, high)
        service.start()
        service.run("print(1)")
        if AS_ROOT:
            for pid in (service.process.pid, *children(service.process.pid)):
                found = descriptors(pid)
                assert str(canary) not in found.values()
                assert high not in found
        else:
            with pytest.raises(PermissionError):
                descriptors(service.process.pid)
    finally:
        service.close()
        os.close(low)
        os.close(high)


def test_openFiles_areThoseOfTheStateFolder(service):
    if not AS_ROOT:
        with pytest.raises(PermissionError):
            descriptors(service.process.pid)
        return
    folder = os.path.realpath(service.environment["STATE_DIR"])
    for target in descriptors(service.process.pid).values():
        if target.startswith("/") and not target.startswith("/memfd:"):
            assert target.startswith((folder, str(service.log_path), "/dev/null")), target


def test_launcher_holdsNoEnvironmentAndASessionOfItsOwn(launcher):
    assert os.getsid(launcher) == launcher
    assert len(threads(launcher)) == 1
    if AS_ROOT:
        assert pathlib.Path(f"/proc/{launcher}/environ").read_bytes() == b""


def test_manyJobs_leaveNoDescriptorBehind(service, launcher):
    def counts():
        if not AS_ROOT:
            return len(threads(service.process.pid)), len(threads(launcher))
        return len(descriptors(service.process.pid)), len(descriptors(launcher))

    service.run("print(1)")
    before = []

    def settled():
        before.append(counts())
        return len(before) > 5 and len(set(before[-5:])) == 1

    eventually(settled, every=0.1)
    for job in [service.submit("print(1)") for _ in range(40)]:
        assert service.wait(job)["result"]["verdict"] == "ok"
    eventually(lambda: all(now <= then for now, then in zip(counts(), before[-1])),
               what=f"at most {before[-1]} descriptors")
