"""Events, cancel and list on nodes that share a Redis: the job runs on another than is asked."""

import time

import pytest
import websocket

from events import EventReader, output
from interactive import Session
from service import eventually
from test_redis import node, redis  # noqa: F401: fixtures

TICKS = """
import time
for i in range(20):
    print(i, time.time(), flush=True)
    time.sleep(0.1)
"""
SLEEPER = "import time; print('up', flush=True); time.sleep(50)"


def test_events_areLiveOnAnotherNode(node):
    api, _worker = node("api"), node("worker")
    reader = EventReader(api, api.submit(TICKS))
    events, delays = [], []
    for event in reader:
        now = time.time()
        events.append(event)
        if event.kind == "stdout":
            delays += [now - float(line.split()[1]) for line in event.bytes().splitlines()]
    assert reader.complete
    assert [e.data["status"] for e in events if e.kind == "status"][-2:] == ["running", "completed"]
    assert output(events).decode() == events[-1].data["result"]["stdout"]
    assert sorted(delays)[len(delays) // 2] < 0.05, delays
    reader.close()


def test_events_goOnAtAnotherNode(node):
    api, other, _worker = node("api"), node("api"), node("worker")
    job_id = api.submit(TICKS)
    reader = EventReader(api, job_id)
    seen = []
    for event in reader:
        seen.append(event)
        if len(output(seen).splitlines()) >= 3:
            break
    reader.close()
    had = output(seen)
    rest = EventReader(other, job_id, last_id=seen[-1].id)
    events = list(rest)
    more = b"".join(e.bytes() for e in events if e.kind == "stdout")
    first = next(e for e in events if e.kind == "stdout")
    assert first.data["offset"] == len(had)
    assert (had + more).decode() == events[-1].data["result"]["stdout"]
    rest.close()


def test_events_tellThatALostJobRunsAgain(node):
    api = node("api")
    first = node("worker")
    job_id = api.submit(SLEEPER, timeout="55s")
    reader = EventReader(api, job_id)
    stream = iter(reader)
    next(e for e in stream if e.kind == "stdout")
    first.kill()
    node("worker")
    fresh = next(e for e in stream if e.kind == "stdout")
    assert fresh.data["offset"] == 0
    assert api.request("DELETE", f"/v1/execute/{job_id}").status == 200
    assert list(stream)[-1].data["status"] == "cancelled"
    reader.close()


def test_cancel_reachesTheWorkerOfAnotherNode(node):
    api, worker = node("api"), node("worker", SANDBOX_SLOTS="1")
    job_id = api.submit(SLEEPER, timeout="55s")
    reader = EventReader(api, job_id)
    reader.until(lambda e: e.kind == "stdout")
    queued = api.submit("print('never')")
    assert api.request("DELETE", f"/v1/execute/{queued}").json["status"] == "cancelled"
    before = time.monotonic()
    api.request("DELETE", f"/v1/execute/{job_id}")
    assert api.wait(job_id)["status"] == "cancelled"
    assert time.monotonic() - before < 5
    assert list(reader)[-1].data["status"] == "cancelled"
    reader.close()
    assert api.run("print('the slot is free')")["stdout"] == "the slot is free\n"
    assert worker.process.poll() is None


def test_cancel_outlivesTheWorker(node):
    api, worker = node("api"), node("worker")
    job_id = api.submit(SLEEPER, timeout="55s")
    eventually(lambda: api.job(job_id)["status"] == "running", what="the job running")
    worker.kill()
    assert api.request("DELETE", f"/v1/execute/{job_id}").json["status"] == "running"
    assert api.wait(job_id)["status"] == "cancelled"


def test_list_isTheSameOnEveryNode(node):
    api, other, _worker = node("api"), node("api"), node("worker")
    ids = [api.submit(f"print({i})") for i in range(5)]
    for job_id in ids:
        api.wait(job_id)
    for service in (api, other):
        page = service.get("/v1/execute?limit=3&status=completed").json
        assert [job["id"] for job in page["jobs"]] == ids[:1:-1]
        rest = service.get(
            f"/v1/execute?limit=3&status=completed&cursor={page['next_cursor']}").json
        assert [job["id"] for job in rest["jobs"]] == ids[1::-1]


def test_interactive_runsOnTheNodeThatHasTheConnection(node):
    api, both = node("api"), node("all")
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        Session(api, "print(1)")
    assert refused.value.status_code == 501
    with Session(both, "print(input())") as session:
        job_id = session.job_id()
        assert api.job(job_id)["status"] == "running"
        session.stdin("live\n")
        assert session.result()["result"]["stdout"] == "live\n"
    assert api.job(job_id)["status"] == "completed"


def test_interactive_isCancelledOnAnotherNode(node):
    api, both = node("api"), node("all")
    with Session(both, "print('up', flush=True); import time; time.sleep(60)") as session:
        session.until_output(b"up\n")
        assert api.request("DELETE", f"/v1/execute/{session.job_id()}").status == 200
        assert session.until_closed()["data"]["status"] == "cancelled"


def test_interactive_jobOfALostNodeFails(node):
    api, both = node("api"), node("all")
    other = node("worker")
    with Session(both, "print('up', flush=True); import time; time.sleep(60)") as session:
        session.until_output(b"up\n")
        job_id = session.job_id()
        both.kill()
    job = api.wait(job_id, deadline=60)
    assert job["status"] == "failed" and "connection" in job["error"]
    assert other.process.poll() is None
