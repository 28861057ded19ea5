"""The unit of deploy/systemd under a real systemd, and its delegation to an ordinary user.

Runs as root inside the virtual machine of vm.sh, whose system is thrown away.
"""

import pathlib
import shutil
import subprocess

import pytest

from contract import REPOSITORY
from service import BUILD, Client, eventually

CGROUPS = pathlib.Path("/sys/fs/cgroup")
MEMORY_HOG = "blocks = []\nwhile True: blocks.append(b'x' * (1 << 20))"


def run(*command):
    return subprocess.run(command, check=True, text=True, capture_output=True, timeout=120).stdout


def show(unit, name):
    return run("systemctl", "show", "--value", "-p", name, unit).strip()


def folders(unit):
    top = CGROUPS / show(unit, "ControlGroup").lstrip("/")
    return sorted(path.name for path in top.iterdir() if path.is_dir())


def said_by(unit):
    run("journalctl", "--sync")
    return run("journalctl", "-u", unit) + run("systemctl", "show", unit, "-p", "Result,ExecMainStatus")


def wait_for(client, unit):
    def healthy():
        state = show(unit, "ActiveState")
        assert state in ("active", "activating"), said_by(unit)
        try:
            return client.get("/health").status == 200
        except OSError:
            return False

    eventually(healthy, 120, what=f"GET /health of {unit}")
    return client.get("/health").json


def install(source, target):
    for path in source.glob("*.toml"):
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


@pytest.fixture(scope="module")
def unit():
    """Installed as docs/operations.md says."""
    programs = pathlib.Path("/usr/local/lib/code-sandbox")
    programs.mkdir(parents=True, exist_ok=True)
    for name in ("sandboxd", "sandbox-launcher"):
        shutil.copy(BUILD / name, programs)
    install(REPOSITORY / "config" / "languages", pathlib.Path("/etc/code-sandbox/languages"))
    install(REPOSITORY / "config" / "seccomp", pathlib.Path("/etc/code-sandbox/seccomp"))
    shutil.copy(REPOSITORY / "deploy/systemd/sandboxd.service", "/etc/systemd/system")
    run("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "sandboxd")
    run("systemctl", "daemon-reload")
    run("systemctl", "start", "sandboxd")
    yield "sandboxd.service"
    run("systemctl", "stop", "sandboxd")


def test_unit_givesTheFullLevelBelowItsOwnGroup(unit):
    client = Client(8080)
    health = wait_for(client, unit)
    assert (health["isolation"], health["not_limited"]) == ("full", [])
    assert client.run("print(1)")["verdict"] == "ok"
    names = folders(unit)
    assert "service" in names
    assert [name for name in names if name.startswith("code-sandbox.")], names
    assert not list(CGROUPS.glob("code-sandbox.*"))


def test_memoryLimitOfAJob_isNoFailureOfTheUnit(unit):
    client = Client(8080)
    wait_for(client, unit)
    assert client.run(MEMORY_HOG, timeout="30s")["verdict"] == "memory_limit"
    assert show(unit, "ActiveState") == "active"
    assert show(unit, "NRestarts") == "0"


def test_killedService_comesBack(unit):
    client = Client(8080)
    wait_for(client, unit)
    job = client.submit("import time; time.sleep(0.1); print('again')", timeout="20s")
    pid = show(unit, "MainPID")
    run("kill", "-9", pid)
    eventually(lambda: show(unit, "MainPID") not in ("0", pid), 60, what="a new main process")
    wait_for(client, unit)
    result = client.wait(job)["result"]
    assert (result["verdict"], result["stdout"]) == ("ok", "again\n")
    assert len([name for name in folders(unit) if name.startswith("code-sandbox.")]) == 1


def test_restart_leavesOneGroup(unit):
    run("systemctl", "restart", unit)
    wait_for(Client(8080), unit)
    assert len([name for name in folders(unit) if name.startswith("code-sandbox.")]) == 1


def test_delegationToAnOrdinaryUser_isRootless():
    unit = "as-user.service"
    port = 8081
    run("useradd", "--no-create-home", "--user-group", "ordinary")
    run("systemd-run", f"--unit={unit}", "--uid=ordinary", "--gid=ordinary", "-p", "Delegate=yes",
        "-p", "StateDirectory=as-user", "-E", "STATE_DIR=/var/lib/as-user", "-E",
        "HTTP_HOST=127.0.0.1", "-E", f"HTTP_PORT={port}",
        "-E", f"SANDBOX_LANGUAGE_DIR={REPOSITORY}/config/languages",
        "-E", f"SANDBOX_SECCOMP_DIR={REPOSITORY}/config/seccomp", str(BUILD / "sandboxd"))
    try:
        client = Client(port)
        health = wait_for(client, unit)
        assert health["isolation"] == "rootless"
        assert client.run(MEMORY_HOG, timeout="30s")["verdict"] == "memory_limit"
        assert client.run("print(1)")["verdict"] == "ok"
        assert "service" in folders(unit)
    finally:
        run("systemctl", "stop", unit)
    eventually(lambda: not (CGROUPS / "system.slice" / unit).exists(), what="no group of the unit")
