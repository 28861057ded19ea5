"""GET /v1/execute/{id}/events: status, output and result as they come."""

import itertools
import socket
import threading
import time

import pytest

from events import EventReader, output
from service import eventually

# Writes a line, then waits for the test to let it go on: its own clock says when each was written.
TICKS = """
import sys, time
for i in range({count}):
    print(i, time.time(), flush=True)
    time.sleep({pause})
"""
UNKNOWN = "A" * 22


def kinds(events):
    return [kind for kind, _ in itertools.groupby(event.kind for event in events)]


def read(service, job_id, **options):
    reader = EventReader(service, job_id, **options)
    events = list(reader)
    assert reader.complete
    reader.close()
    return events


def test_events_tellStatusOutputAndResult(service):
    job_id = service.submit("import sys; print('out'); print('err', file=sys.stderr)")
    events = read(service, job_id)
    assert events[0].kind == "status"
    assert output(events) == b"out\n"
    assert output(events, "stderr") == b"err\n"
    assert [e.data["status"] for e in events if e.kind == "status"][-1] == "completed"
    assert events[-1].kind == "result"
    assert events[-1].data == service.job(job_id)


def test_events_ofAFinishedJobAreTheSame(service):
    job_id = service.submit("import sys; print('out'); print('err', file=sys.stderr)")
    service.wait(job_id)
    events = read(service, job_id)
    assert kinds(events) == ["stdout", "stderr", "status", "result"]
    assert output(events) == b"out\n"
    assert output(events, "stderr") == b"err\n"


def test_events_keepTheOrderOfTheStreams(service):
    code = """
import sys, time
for i in range(6):
    print(i, file=sys.stderr if i % 2 else sys.stdout, flush=True)
    time.sleep(0.05)
"""
    job_id = service.submit(code)
    order = [e.kind for e in read(service, job_id) if e.kind in ("stdout", "stderr")]
    assert order == ["stdout", "stderr"] * 3


def test_events_arriveAsTheProgramWrites(service):
    job_id = service.submit(TICKS.format(count=20, pause=0.05))
    reader = EventReader(service, job_id)
    delays = []
    for event in reader:
        now = time.time()
        if event.kind == "stdout":
            for line in event.bytes().splitlines():
                delays.append(now - float(line.split()[1]))
    reader.close()
    assert len(delays) == 20
    # The first may be older than the watch. A loaded machine delays single ones.
    delays = sorted(delays[1:])
    assert delays[len(delays) // 2] < 0.05, delays


def test_events_ofAQueuedJobWaitForItsStart(start_service):
    service = start_service(SANDBOX_SLOTS="1")
    first = service.submit("import time; time.sleep(1)")
    second = service.submit("print('second')")
    events = read(service, second)
    assert [e.data["status"] for e in events if e.kind == "status"] == [
        "queued", "running", "completed"]
    assert output(events) == b"second\n"
    assert service.job(first)["status"] == "completed"


def test_events_goOnFromTheLastId(service):
    job_id = service.submit(TICKS.format(count=10, pause=0.1))
    reader = EventReader(service, job_id)
    seen = []
    for event in reader:
        seen.append(event)
        if len(output(seen).splitlines()) >= 3:
            break
    reader.close()
    had = output(seen)
    rest = EventReader(service, job_id, last_id=seen[-1].id)
    events = list(rest)
    more = b""
    for event in events:
        if event.kind == "stdout":
            assert event.data["offset"] == len(had) + len(more)
            more += event.bytes()
    assert (had + more).decode() == events[-1].data["result"]["stdout"]
    # Also after the end, from the result.
    again = [e for e in read(service, job_id, last_id=seen[-1].id) if e.kind == "stdout"]
    assert b"".join(e.bytes() for e in again) == more


def test_events_afterTheResultThereIsNothingMore(service):
    job_id = service.submit("print(1)")
    events = read(service, job_id)
    reader = EventReader(service, job_id, last_id=events[-1].id)
    assert reader.status == 204
    reader.close()


@pytest.mark.parametrize("last_id", ["x", "1", "1-2", "1-2-3-", "1--2-3", "-1-2-3", "1-2-3-end-",
                                     "99999999999999999999-0-0", "1-2-3 "])
def test_events_refuseAWrongLastId(service, last_id):
    job_id = service.submit("print(1)")
    response = service.get(f"/v1/execute/{job_id}/events",
                           headers={"Last-Event-ID": last_id.strip() + "x"})
    assert response.status == 422
    assert response.fields() == ["Last-Event-ID"]


def test_events_takeAnIdFromElsewhereAsTheBeginning(service):
    job_id = service.submit("print('hello')")
    service.wait(job_id)
    assert output(read(service, job_id, last_id="999999999-3-0")) == b"hello\n"


def test_events_ofAnUnknownJobAreNotFound(service):
    assert service.get(f"/v1/execute/{UNKNOWN}/events").status == 404
    assert service.get("/v1/execute/x/events").status == 404
    assert service.request("POST", f"/v1/execute/{UNKNOWN}/events", body={}).status == 405
    assert service.get(f"/v1/execute/{UNKNOWN}/events?wait=1s").status == 422


def test_events_headHasNoBody(service):
    job_id = service.submit("import time; time.sleep(1)")
    response = service.request("HEAD", f"/v1/execute/{job_id}/events")
    assert response.status == 200


def test_events_keepCharactersWhole(service):
    code = """
import os, time
for byte in "aé€😀".encode():
    os.write(1, bytes([byte]))
    time.sleep(0.03)
"""
    events = read(service, service.submit(code))
    pieces = [e for e in events if e.kind == "stdout"]
    assert all(e.data["encoding"] == "utf8" for e in pieces)
    assert "".join(e.data["data"] for e in pieces) == "aé€😀"
    assert len(pieces) >= 2


def test_events_passOnAnyBytes(service):
    code = "import os\nos.write(1, bytes(range(256)))\nos.write(1, '€'.encode()[:2])"
    events = read(service, service.submit(code))
    assert output(events) == bytes(range(256)) + "€".encode()[:2]
    assert any(e.data.get("encoding") == "base64" for e in events if e.kind == "stdout")


def test_events_tellLargeOutputWhole(service):
    code = "import sys\nfor i in range(60000): print(i, 'x' * 10)"
    expected = b"".join(b"%d xxxxxxxxxx\n" % i for i in range(60000))
    assert output(read(service, service.submit(code))) == expected


def test_events_tellWhatCameBeforeALimit(service):
    events = read(service, service.submit("print('x' * (2 << 20))"))
    assert events[-1].data["result"]["verdict"] == "output_limit"
    assert output(events).decode() == events[-1].data["result"]["stdout"]


def test_events_ofACompiledJobHaveTheProgramsOutputOnly(service):
    code = 'package main\n\nfunc main() { print("compiled\\n") }\n'
    events = read(service, service.submit(code, language="go"))
    assert output(events, "stderr") == b"compiled\n"


def test_events_manyReadersHearTheSame(service):
    job_id = service.submit(TICKS.format(count=10, pause=0.05))
    heard = []
    threads = [threading.Thread(target=lambda: heard.append(output(read(service, job_id))))
               for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(heard) == 30
    assert len(set(heard)) == 1
    assert len(heard[0].splitlines()) == 10


def test_events_aSlowReaderHoldsUpNobodyAndMissesNothing(start_service):
    service = start_service(SANDBOX_OUTPUT="8MiB", SANDBOX_MAX_OUTPUT="8MiB",
                            HTTP_WRITE_TIMEOUT="30s")
    code = "import sys\nfor i in range(400000): print(i, 'x' * 10)"
    expected = b"".join(b"%d xxxxxxxxxx\n" % i for i in range(400000))
    job_id = service.submit(code, timeout="30s")
    slow = EventReader(service, job_id)
    slow.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    # Nothing is read here until the job has ended, which a blocked reader must not hinder.
    job = service.wait(job_id)
    assert job["result"]["verdict"] == "ok"
    assert output(slow) == expected
    assert slow.complete
    slow.close()


def test_events_aReaderThatTakesNothingIsCutOff(start_service):
    service = start_service(SANDBOX_OUTPUT="32MiB", SANDBOX_MAX_OUTPUT="32MiB",
                            HTTP_WRITE_TIMEOUT="1s")
    job_id = service.submit("import sys\nsys.stdout.write('x' * (24 << 20))", timeout="30s")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", service.port))
    connection.sendall(f"GET /v1/execute/{job_id}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    service.wait(job_id)

    def established():
        """Whether the kernel still has a connection from this reader."""
        port = connection.getsockname()[1]
        with open("/proc/net/tcp", encoding="ascii") as table:
            rows = [line.split() for line in table.readlines()[1:]]
        return any(row[2].endswith(f":{port:04X}") and row[3] == "01" for row in rows)

    eventually(lambda: not established(), what="the end of the stalled connection")
    connection.close()
    assert service.get("/health").status == 200


def test_events_aHeartbeatKeepsIdleStreamsOpen(service):
    job_id = service.submit("import time; time.sleep(11)", timeout="20s")
    reader = EventReader(service, job_id)
    list(reader)
    assert reader.comments >= 1
    reader.close()


def test_events_aClientThatLeavesIsForgotten(service):
    job_id = service.submit("import time; time.sleep(2); print('done')")
    readers = [EventReader(service, job_id) for _ in range(20)]
    for reader in readers:
        reader.close()
    assert output(read(service, job_id)) == b"done\n"


def test_events_endWhenTheServiceStops(start_service):
    service = start_service(HTTP_SHUTDOWN_TIMEOUT="3s")
    job_id = service.submit("import time; print('here', flush=True); time.sleep(30)", timeout="40s")
    reader = EventReader(service, job_id)
    event = reader.until(lambda e: e.kind == "stdout")
    service.process.terminate()
    rest = list(reader)
    assert reader.complete, "the stream ends in good order"
    assert {e.kind for e in rest} <= {"status", "usage"}
    service.process.wait(30)
    service.start()
    # The job runs again: its output begins anew.
    again = EventReader(service, job_id, last_id=event.id)
    fresh = again.until(lambda e: e.kind == "stdout")
    assert fresh.data["offset"] == 0
    assert fresh.bytes() == b"here\n"
    service.request("DELETE", f"/v1/execute/{job_id}")
    assert list(again)[-1].data["status"] == "cancelled"
    again.close()


def test_events_tellThatALostJobRunsAgain(start_service):
    service = start_service()
    code = "import time; print('again', flush=True); time.sleep(30)"
    job_id = service.submit(code, timeout="60s")
    reader = EventReader(service, job_id)
    event = reader.until(lambda e: e.kind == "stdout")
    service.kill()
    service.start()
    again = EventReader(service, job_id, last_id=event.id)
    fresh = again.until(lambda e: e.kind == "stdout")
    assert fresh.data["offset"] == 0
    assert service.job(job_id)["attempts"] == 2
    service.request("DELETE", f"/v1/execute/{job_id}")
    again.close()
    reader.close()
