"""Clients take turns: one with thousands of queued jobs does not delay another's first."""

import http.client
import json
import threading

from events import EventReader

BUSY, QUIET = "127.0.0.1", "127.0.0.2"
QUEUED = 5000


class From:
    """A kept connection from one address."""

    def __init__(self, service, address):
        self.connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60,
                                                     source_address=(address, 0))

    def submit(self, code, **members):
        body = json.dumps({"language": "python", "code": code, **members})
        self.connection.request("POST", "/v1/execute", body,
                                {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        data = json.loads(answer.read())
        assert answer.status == 202, data
        return data["id"]


def test_aClientWithThousandsOfJobsDelaysAnotherByOneTurn(start_service):
    service = start_service(SANDBOX_SLOTS="1", SANDBOX_QUEUE_SIZE=str(QUEUED + 10))
    busy = From(service, BUSY)
    blocker = busy.submit("import time; print('up', flush=True); time.sleep(55)", timeout="58s")
    reader = EventReader(service, blocker)
    reader.until(lambda event: event.kind == "stdout")

    def flood(count):
        client = From(service, BUSY)
        for _ in range(count):
            client.submit("pass", priority=10)

    threads = [threading.Thread(target=flood, args=(QUEUED // 10,)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50)
    assert service.get("/health").json["queued"] == QUEUED
    late = From(service, QUIET).submit("print('late')", priority=-10)
    service.request("DELETE", f"/v1/execute/{blocker}")
    reader.close()
    job = service.wait(late)
    assert job["result"]["stdout"] == "late\n"
    before = [j for j in service.get("/v1/execute?status=completed").json["jobs"]
              if j["started_at"] < job["started_at"]]
    before += [j for j in service.get("/v1/execute?status=running").json["jobs"]
               if j["started_at"] < job["started_at"]]
    assert len(before) <= 1, before


def test_priorityOrdersAClientsOwnJobs(start_service):
    service = start_service(SANDBOX_SLOTS="1")
    busy, quiet = From(service, BUSY), From(service, QUIET)
    blocker = busy.submit("import time; print('up', flush=True); time.sleep(55)", timeout="58s")
    reader = EventReader(service, blocker)
    reader.until(lambda event: event.kind == "stdout")
    names = {busy.submit("pass", priority=priority): f"busy {priority}"
             for priority in (-10, 0, 10)}
    names |= {quiet.submit("pass", priority=priority): f"quiet {priority}"
              for priority in (-3, 5)}
    service.request("DELETE", f"/v1/execute/{blocker}")
    reader.close()
    jobs = [service.wait(job_id) for job_id in names]
    order = [names[job["id"]] for job in sorted(jobs, key=lambda job: job["started_at"])]
    assert order == ["busy 10", "quiet 5", "busy 0", "quiet -3", "busy -10"]
