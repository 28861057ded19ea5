"""What a running job uses, while it runs: in GET, in events, in an interactive session."""

import pytest

from events import EventReader
from interactive import Session
from service import eventually
from test_redis import node, redis  # noqa: F401: fixtures

# Holds 50 MiB, has three children that wait, and burns CPU until it is ended.
BUSY = """
import os, time
held = bytearray(b"x" * (50 << 20))
for _ in range(3):
    if os.fork() == 0:
        time.sleep(50)
        os._exit(0)
print("up", flush=True)
while True:
    pass
"""
HELD = 50 << 20


def is_busy(usage):
    return usage is not None and usage["processes"] >= 4 and usage["memory_bytes"] >= HELD \
        and usage["cpu_time_ms"] > 100


def check(usage):
    assert usage["wall_time_ms"] >= 250
    assert usage["memory_peak_bytes"] >= usage["memory_bytes"]
    assert usage["processes"] == 4


def is_told(api):
    """Watches a busy job in every way by this node, cancels it, and sees that nothing follows."""
    job_id = api.submit(BUSY, timeout="50s", limits={"cpu_time": "50s"})
    reader = EventReader(api, job_id)
    stream = iter(reader)
    events = []
    while sum(e.kind == "usage" and is_busy(e.data) for e in events) < 3:
        events.append(next(stream))
    usages = [e.data for e in events if e.kind == "usage"]
    check(usages[-1])
    assert usages == sorted(usages, key=lambda u: u["wall_time_ms"])
    assert usages[-1]["cpu_time_ms"] > usages[-3]["cpu_time_ms"]
    gap = usages[-1]["wall_time_ms"] - usages[-3]["wall_time_ms"]
    assert 400 < gap < 5000, "twice about half a second"

    read = eventually(lambda: (j := api.job(job_id)) and is_busy(j.get("usage")) and j)
    assert read["status"] == "running"
    check(read["usage"])
    # Who comes late is told at once.
    late = EventReader(api, job_id)
    check(late.until(lambda e: e.kind == "usage").data)
    late.close()

    assert api.request("DELETE", f"/v1/execute/{job_id}").status == 200
    rest = list(stream)
    reader.close()
    assert rest[-1].kind == "result"
    assert rest[-1].data["status"] == "cancelled"
    assert "usage" not in rest[-1].data
    ended = next(i for i, e in enumerate(rest)
                 if e.kind == "status" and e.data["status"] == "cancelled")
    assert "usage" not in [e.kind for e in rest[ended:]]
    assert "usage" not in api.job(job_id)


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_usage_ofARunningJob(start_service, store):
    is_told(start_service(JOB_STORE=store))


def test_usage_isToldByAnotherNode(node):
    api, _worker = node("api"), node("worker")
    is_told(api)


def test_usage_doesNotDisturbResuming(service):
    job_id = service.submit(BUSY, timeout="50s", limits={"cpu_time": "50s"})
    reader = EventReader(service, job_id)
    seen = []
    for event in reader:
        seen.append(event)
        if event.kind == "usage":
            break
    reader.close()
    last = [e.id for e in seen if e.id is not None][-1]
    again = EventReader(service, job_id, last_id=last)
    stream = iter(again)
    events = [next(stream)]
    while events[-1].kind != "usage":
        events.append(next(stream))
    assert "stdout" not in [e.kind for e in events], "it has that already"
    assert service.request("DELETE", f"/v1/execute/{job_id}").status == 200
    again.close()


def test_usage_ofAShortJobIsNeverTold(service):
    events = list(EventReader(service, service.submit("print(1)")))
    if events[-1].data["result"]["usage"]["wall_time_ms"] < 250:
        assert "usage" not in [e.kind for e in events]


def test_usage_inASession(service):
    session = Session(service, "import time\nheld = bytearray(b'x' * (20 << 20))\ninput()")
    usage = session.until(lambda m: m["type"] == "usage")["data"]
    assert usage["processes"] == 1 and usage["memory_bytes"] >= 20 << 20
    session.stdin("\n")
    while session.receive() is not None:
        pass
    assert [m["type"] for m in session.messages][-1] == "result"


def test_usage_isNoSignOfLifeInASession(start_service):
    service = start_service(HTTP_SESSION_IDLE="2s")
    session = Session(service, "import time; time.sleep(50)", timeout="60s")
    error = session.until(lambda m: m["type"] == "error")
    assert error["data"]["status"] == 408
    assert "usage" in [m["type"] for m in session.messages]


def test_usage_ofAJobWithTests(start_service):
    service = start_service(SANDBOX_SLOTS="2")
    tests = [{"name": name} for name in "abc"]
    code = "import time\nheld = b'x' * (20 << 20)\ntime.sleep(3)"
    job_id = service.submit(code, timeout="20s", tests=tests)
    usage = eventually(lambda: (u := service.job(job_id).get("usage")) and u.get("processes") == 2
                       and u.get("memory_bytes", 0) >= 40 << 20 and u)
    assert usage["memory_peak_bytes"] < 40 << 20, "of one"
    job = service.wait(job_id)
    assert "usage" not in job
    assert [t["verdict"] for t in job["result"]["tests"]] == ["ok"] * 3
