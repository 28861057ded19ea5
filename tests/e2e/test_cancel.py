"""DELETE /v1/execute/{id}: a queued job never starts, a running one is killed."""

import os
import time

import pytest

from events import EventReader, output
from service import eventually, running

UNKNOWN = "A" * 22


def cancel(service, job_id):
    response = service.request("DELETE", f"/v1/execute/{job_id}")
    assert response.status == 200, response.body
    return response.json


def started(service, job_id):
    """Waits until the program has written something."""
    reader = EventReader(service, job_id)
    reader.until(lambda e: e.kind == "stdout")
    return reader


@pytest.fixture(scope="module")
def single():
    """A service with one slot."""
    with running(SANDBOX_SLOTS="1") as created:
        yield created


SLEEPER = "import time; print('up', flush=True); time.sleep({seconds})"


def test_cancel_endsARunningJob(single):
    job_id = single.submit(SLEEPER.format(seconds=50), timeout="55s")
    reader = started(single, job_id)
    before = time.monotonic()
    answer = cancel(single, job_id)
    assert answer["status"] in ("running", "cancelled")
    job = single.wait(job_id)
    assert job["status"] == "cancelled"
    assert "result" not in job
    assert time.monotonic() - before < 5
    events = list(reader)
    assert events[-1].kind == "result"
    assert events[-1].data["status"] == "cancelled"
    reader.close()


def test_cancel_freesTheSlot(single):
    job_id = single.submit(SLEEPER.format(seconds=50), timeout="55s")
    started(single, job_id).close()
    cancel(single, job_id)
    assert single.run("print('next')")["stdout"] == "next\n"


def test_cancel_killsAllProcesses(single):
    marker = f"cancel-{os.getpid()}"[:15]
    code = f"""
import ctypes, os, time
PR_SET_NAME = 15
ctypes.CDLL(None).prctl(PR_SET_NAME, b"{marker}", 0, 0, 0)
for _ in range(5):
    if os.fork() == 0:
        time.sleep(100)
print("up", flush=True)
time.sleep(100)
"""
    def alive():
        count = 0
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/comm", encoding="utf-8", errors="replace") as comm:
                        count += comm.read().strip() == marker
                except OSError:
                    pass
        return count

    job_id = single.submit(code, timeout="55s")
    started(single, job_id).close()
    eventually(lambda: alive() == 6, what="six processes")
    cancel(single, job_id)
    assert single.wait(job_id)["status"] == "cancelled"
    assert alive() == 0


def test_cancel_ofAQueuedJobIsFinalAtOnce(single):
    blocker = single.submit(SLEEPER.format(seconds=50), timeout="55s")
    started(single, blocker).close()
    queued = single.submit("print('never')")
    behind = single.submit("print('behind')")
    answer = cancel(single, queued)
    assert answer["status"] == "cancelled"
    assert answer["attempts"] == 0
    assert "started_at" not in answer
    assert single.get("/health").json["queued"] == 1
    cancel(single, blocker)
    assert single.wait(behind)["result"]["stdout"] == "behind\n"
    assert single.job(queued) == answer


def test_cancel_endsTheCompiler(single):
    lines = "\n".join(f"func f{i}(x int) int {{ return x*{i} + len(os.Args) }}"
                      for i in range(12000))
    job_id = single.submit(f'package main\n\nimport "os"\n\n{lines}\n\nfunc main() {{}}\n',
                           language="go")
    eventually(lambda: single.job(job_id)["status"] == "running", what="the compiler")
    cancel(single, job_id)
    assert single.wait(job_id)["status"] == "cancelled"


def test_cancel_isIdempotent(single):
    job_id = single.submit(SLEEPER.format(seconds=50), timeout="55s")
    started(single, job_id).close()
    for _ in range(3):
        cancel(single, job_id)
    job = single.wait(job_id)
    assert cancel(single, job_id) == job


def test_cancel_leavesAFinishedJobAsItIs(single):
    job_id = single.submit("print('done')")
    job = single.wait(job_id)
    assert cancel(single, job_id) == job
    assert single.job(job_id)["result"]["stdout"] == "done\n"


def test_cancel_ofAnUnknownJobIsNotFound(single):
    for job_id in (UNKNOWN, "x", "..%2f"):
        assert single.request("DELETE", f"/v1/execute/{job_id}").status == 404
    assert single.request("DELETE", f"/v1/execute/{UNKNOWN}?now=1").status == 422
    assert single.request("DELETE", "/v1/execute").status == 405


def test_cancel_wakesWhoWaits(single):
    job_id = single.submit(SLEEPER.format(seconds=50), timeout="55s")
    started(single, job_id).close()
    cancel(single, job_id)
    response = single.get(f"/v1/execute/{job_id}?wait=20s")
    assert response.json["status"] == "cancelled"


def test_cancel_outlivesTheService(start_service):
    service = start_service(SANDBOX_SLOTS="1")
    blocker = service.submit(SLEEPER.format(seconds=50), timeout="55s")
    started(service, blocker).close()
    queued = service.submit("print('never')")
    cancel(service, queued)
    cancel(service, blocker)
    service.kill()  # perhaps before the job was killed and finished
    service.start()
    assert service.wait(blocker)["status"] == "cancelled"
    assert service.job(queued)["status"] == "cancelled"
    assert service.get("/health").json["running"] == 0


def test_cancel_whatWasWrittenCanStillBeRead(single):
    job_id = single.submit(SLEEPER.format(seconds=50), timeout="55s")
    started(single, job_id).close()
    cancel(single, job_id)
    single.wait(job_id)
    reader = EventReader(single, job_id)
    assert output(list(reader)) == b"up\n"
    reader.close()
