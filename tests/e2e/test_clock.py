"""The wall clock is set while jobs run and wait: nothing ends early, late or twice."""

import mmap
import subprocess

import pytest

from contract import REPOSITORY
from events import EventReader
from service import eventually, running

HOUR = 3600 * 10**9


class Shift:
    """How far a service's wall clock is off."""

    def __init__(self, folder):
        self.path = folder / "shift"
        self.path.write_bytes(bytes(8))
        self.file = open(self.path, "r+b")
        self.memory = mmap.mmap(self.file.fileno(), 8)

    def set(self, nanos):
        self.memory[:8] = nanos.to_bytes(8, "little", signed=True)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    built = tmp_path_factory.mktemp("clock") / "clock_shift.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", built, REPOSITORY / "tests/e2e/clock_shift.c"],
                   check=True)
    return built


@pytest.mark.parametrize("store", ["sqlite", "memory"])
@pytest.mark.parametrize("nanos", [HOUR, -HOUR, 30 * 24 * HOUR])
def test_clockThatJumps_makesNoJobRunAgainOrLate(library, tmp_path, store, nanos):
    shift = Shift(tmp_path)
    with running(JOB_STORE=store, SANDBOX_SLOTS="1", SANDBOX_LEASE_TIME="2s", JOB_TTL="1000h",
                 LD_PRELOAD=str(library), CLOCK_SHIFT_FILE=str(shift.path)) as service:
        first = service.submit("import time\nprint('up', flush=True)\ntime.sleep(5)\nprint('end')", timeout="20s")
        second = service.submit("print('next')")
        reader = EventReader(service, first)
        reader.until(lambda event: event.kind == "stdout")
        shift.set(nanos)
        jobs = [service.wait(job) for job in (first, second)]
        reader.close()
        assert [job["result"]["stdout"] for job in jobs] == ["up\nend\n", "next\n"]
        assert [job["attempts"] for job in jobs] == [1, 1]
        assert all(job["result"]["queue_time_ms"] >= 0 for job in jobs)
        assert service.run("print('after')")["stdout"] == "after\n"
        eventually(lambda: service.get("/health").json["running"] == 0)
