"""Faults around the sandbox: processes that cannot be killed, killed helpers, ends at a bad moment."""

import os
import pathlib
import signal
import threading

import pytest

from hostile import Host, children, own_processes, read, status_field
from service import RUNNING, eventually

FREEZER = pathlib.Path("/sys/fs/cgroup/freezer")
CAN_FREEZE = os.getuid() == 0 and (FREEZER / "tasks").exists()


@pytest.fixture
def make_host():
    made = []

    def make(**options):
        host = Host(neighbour=False, **options)
        made.append(host)
        RUNNING.append(host.service)
        host.start()
        return host

    yield make
    for host in made:
        RUNNING.remove(host.service)
        host.close()


def is_gone(folders):
    return all(not folder.exists() for folder in folders)


def test_processesSpinning_shareTheProcessorsTheyMayUse(make_host):
    host = make_host(SANDBOX_CPUS="1")
    if not host.groups:
        return  # without cgroups nothing bounds processor time but the wall clock
    result = host.service.run(
        "import os\nfor _ in range(7):\n    if os.fork() == 0: break\nwhile True: pass", timeout="2s")
    usage = result["usage"]
    assert result["verdict"] == "time_limit"
    assert usage["cpu_time_ms"] <= usage["wall_time_ms"] * 1.15 + 110, usage


def test_serviceKilledWithJobsRunning_takesAllWithIt(make_host):
    host = make_host()
    jobs = [host.service.submit("import os, time\nos.fork()\ntime.sleep(50)", timeout="55s")
            for _ in range(3)]
    eventually(lambda: all(host.service.job(job)["status"] == "running" for job in jobs), 30)
    host.service.kill()
    eventually(lambda: not own_processes(host.launcher), 10, what="the death of all processes")
    eventually(lambda: is_gone(host.groups), 10, what="the removal of the control groups")


def test_launcherKilledWithJobsRunning_leavesNoProcessAndIsSweptUpLater(make_host):
    host = make_host()
    job = host.service.submit("import os, time\nos.fork()\ntime.sleep(50)", timeout="55s")
    eventually(lambda: host.service.job(job)["status"] == "running", 30)
    os.kill(host.launcher, signal.SIGKILL)
    assert host.service.process.wait(30) == 1
    eventually(lambda: not own_processes(host.launcher), 10, what="the death of all processes")
    folders = host.groups
    host.service.start()
    eventually(lambda: is_gone(folders), 10, what="the sweep of the control groups")


def test_serviceStoppedWhileItStillBuilds_leavesNothing(make_host):
    host = make_host(slots=24)
    # Every claim makes the launcher build another sandbox; the stop finds them half built.
    threads = [threading.Thread(target=host.service.submit, args=("import time; time.sleep(9)",))
               for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    folders, launcher = host.groups, host.launcher
    host.service.kill()
    eventually(lambda: not own_processes(launcher), 4, what="the death of all processes")
    eventually(lambda: is_gone(folders), 4, what="the removal of the control groups")


if CAN_FREEZE:
    @pytest.fixture
    def freezer():
        folder = FREEZER / f"code-sandbox-test.{os.getpid()}"
        folder.mkdir()
        yield folder
        (folder / "freezer.state").write_text("THAWED")
        eventually(lambda: not (folder / "tasks").read_text(), 10)
        folder.rmdir()

    def test_processesThatCannotBeKilled_keepTheirPlaceAndNobodyWaits(make_host, freezer):
        # Frozen by version 1 of cgroups a process does not see SIGKILL, as in an uninterruptible wait.
        # Not started ahead, so that the job's process is the one that was not there before.
        host = make_host(SANDBOX_WARM_START="off")
        before = set(own_processes(host.launcher))
        job = host.service.submit("import time\ntime.sleep(1)\nprint('ran')", timeout="2s")

        def job_processes():
            return [pid for pid in own_processes(host.launcher)
                    if read(f"/proc/{pid}/comm").startswith("python")]

        victim = eventually(job_processes, 10)[0]
        group = pathlib.Path(read(f"/proc/{victim}/cgroup").split(":pids:")[1].split()[0]).name
        (freezer / "tasks").write_text(str(victim))
        (freezer / "freezer.state").write_text("FROZEN")

        # The job is tried again elsewhere, its place is not used, and others run on.
        ended = host.service.wait(job)
        assert (ended["result"]["verdict"], ended["result"]["stdout"]) == ("ok", "ran\n"), ended
        assert "a sandbox does not end" in host.service.log()
        assert group in host.service.log()
        assert host.service.get("/health").json["quarantined"] == 1
        assert all((folder / group).exists() for folder in host.groups)
        host.greet()

        (freezer / "freezer.state").write_text("THAWED")
        eventually(lambda: is_gone([folder / group for folder in host.groups]), 15)
        eventually(lambda: not host._leftovers(), 15)
        # Told without any job's end.
        eventually(lambda: host.service.get("/health").json["quarantined"] == 0, 15)
        assert before and children(host.launcher)
