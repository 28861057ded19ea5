"""GET /v1/execute: newest first, filters, cursors."""

import http.client
import json

import pytest

from service import running


@pytest.fixture(scope="module")
def listed():
    """A service of its own with seven jobs; their ids, oldest first."""
    with running(SANDBOX_SLOTS="2") as service:
        ids = [service.submit(f"print({i})", language="python" if i % 2 else "py",
                              priority=i) for i in range(5)]
        go = service.submit('package main\n\nfunc main() { println("go") }\n', language="go")
        for job_id in [*ids, go]:
            service.wait(job_id)
        gone = service.submit("import time; time.sleep(50)", timeout="55s")
        service.request("DELETE", f"/v1/execute/{gone}")
        service.wait(gone)
        yield service, [*ids, go, gone]


def pages(service, query=""):
    """The ids of all pages."""
    ids, cursor = [], None
    while True:
        target = f"/v1/execute?{query}" + (f"&cursor={cursor}" if cursor else "")
        response = service.get(target)
        assert response.status == 200, response.body
        ids += [job["id"] for job in response.json["jobs"]]
        cursor = response.json["next_cursor"]
        if cursor is None:
            return ids


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
def test_list_isNewestFirstInPages(listed, limit):
    service, ids = listed
    assert pages(service, f"limit={limit}") == ids[::-1]


def test_list_isMetadata(listed):
    service, ids = listed
    jobs = service.get("/v1/execute").json["jobs"]
    for job in jobs:
        whole = service.job(job["id"])
        whole.pop("result", None)
        assert job == whole
    assert [job["priority"] for job in jobs][-5:] == [4, 3, 2, 1, 0]


def test_list_filters(listed):
    service, ids = listed
    assert pages(service, "language=go") == [ids[5]]
    assert pages(service, "language=golang") == [ids[5]]
    assert pages(service, "language=cobol") == []
    assert pages(service, "status=cancelled") == [ids[6]]
    assert pages(service, "status=completed") == ids[5::-1]
    assert pages(service, "status=running") == []
    assert pages(service, "status=completed&language=python&limit=2") == ids[4::-1]
    since = service.job(ids[3])["created_at"]
    assert pages(service, f"since={since}") == ids[:2:-1]
    assert pages(service, "since=2000-01-01T00:00:00%2B01:00") == ids[::-1]


def test_list_ofAnotherClientIsItsOwn(listed):
    service, ids = listed
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30,
                                            source_address=("127.0.0.2", 0))
    for query in ("", "?limit=1", "?status=completed", "?language=python"):
        connection.request("GET", "/v1/execute" + query)
        text = connection.getresponse().read().decode()
        assert json.loads(text) == {"jobs": [], "next_cursor": None}
    assert pages(service) == ids[::-1]


def test_list_showsRunningJobs(listed):
    service, _ = listed
    job_id = service.submit("import time; time.sleep(50)", timeout="55s")
    service.get(f"/v1/execute/{job_id}?wait=10ms")
    try:
        while service.job(job_id)["status"] == "queued":
            pass
        assert pages(service, "status=running") == [job_id]
        assert pages(service, "status=queued") == []
    finally:
        service.request("DELETE", f"/v1/execute/{job_id}")
        service.wait(job_id)


@pytest.mark.parametrize("query, field", [
    ("limit=0", "limit"), ("limit=1001", "limit"), ("limit=1e3", "limit"), ("limit=", "limit"),
    ("limit=-1", "limit"), ("status=done", "status"), ("status=", "status"),
    ("since=yesterday", "since"), ("since=2026-01-02", "since"),
    ("cursor=x", "cursor"), ("cursor=-1.a", "cursor"), ("tenant=a", "tenant"),
    ("limit=1&limit=2", "limit"),
])
def test_list_refusesWhatIsWrong(listed, query, field):
    service, _ = listed
    response = service.get(f"/v1/execute?{query}")
    assert response.status == 422
    assert response.fields() == [field]


@pytest.mark.parametrize("priority, accepted", [
    (10, True), (-10, True), (0, True), (11, False), (-11, False), (1.5, False), ("1", False),
    (None, False), (True, False)])
def test_submit_checksThePriority(listed, priority, accepted):
    service, _ = listed
    response = service.post({"language": "python", "code": "print(1)", "priority": priority})
    if accepted:
        assert response.status == 202
        assert service.wait(response.json["id"])["priority"] == priority
    else:
        assert response.status == 422
        assert response.fields() == ["priority"]
