"""POST /v1/batch: many submissions at once."""

import pytest

from service import running


def batch(service, jobs, **members):
    return service.request("POST", "/v1/batch", body={"jobs": jobs, **members})


def python(code, **members):
    return {"language": "python", "code": code, **members}


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def any_store(request):
    with running(JOB_STORE=request.param) as created:
        yield created


def test_batch_acceptsAndRefusesEachInItsPlace(any_store):
    response = batch(any_store, [python("print(1)"), python("", language="cobol"), {},
                                 python("print(2)", wait="1s"), python("print(3)", priority=3)])
    assert response.status == 202
    items = response.json["jobs"]
    assert ["job" in item for item in items] == [True, False, False, False, True]
    assert [item["error"]["status"] for item in items[1:4]] == [422] * 3
    assert [error["field"] for error in items[2]["error"]["errors"]] == ["language", "code"]
    assert [error["field"] for error in items[3]["error"]["errors"]] == ["wait"]
    assert items[4]["job"]["priority"] == 3
    assert any_store.wait(items[0]["job"]["id"])["result"]["stdout"] == "1\n"
    assert any_store.wait(items[4]["job"]["id"])["result"]["stdout"] == "3\n"


def test_wait_answersWhenTheLastHasEnded(any_store):
    response = batch(any_store, [python(f"print({i})") for i in range(20)] + [{}], wait="60s")
    assert response.status == 200
    results = [item["job"]["result"]["stdout"] for item in response.json["jobs"][:20]]
    assert results == [f"{i}\n" for i in range(20)]
    assert response.json["jobs"][20]["error"]["status"] == 422


def test_wait_thatPasses_answersWhatThereIs(service):
    response = batch(service, [python("print('quick')"), python("import time; time.sleep(2.9)")],
                     wait="1500ms")
    assert response.status == 202
    first, second = (item["job"] for item in response.json["jobs"])
    assert first["result"]["stdout"] == "quick\n"
    assert second["status"] == "running"
    assert service.wait(second["id"])["result"]["verdict"] == "ok"


def test_thousand_areTaken(any_store):
    response = batch(any_store, [python("print(6 * 7)") for _ in range(1000)], wait="60s")
    jobs = [item["job"] for item in response.json["jobs"]]
    assert len({job["id"] for job in jobs}) == 1000
    for job in jobs:
        assert any_store.wait(job["id"])["result"]["stdout"] == "42\n"


@pytest.mark.parametrize("body, status, fields", [
    ("[", 400, []), ("[]", 422, [""]), ("{}", 422, ["jobs"]), ('{"jobs":[]}', 422, ["jobs"]),
    ('{"jobs":[1]}', 422, ["jobs[0]"]), ('{"jobs":[{}],"wait":"2h"}', 422, ["wait"]),
    ('{"jobs":[{}],"x":1}', 422, ["x"]), ('{"jobs":[' + "{}," * 1000 + "{}]}", 422, ["jobs"])],
    ids=lambda value: str(value)[:20])
def test_bodyThatIsWrongAsAWhole_isRefused(service, body, status, fields):
    response = service.request("POST", "/v1/batch", body=body)
    assert (response.status, response.fields()) == (status, fields)


def test_queueThatIsFull_refusesTheRest(start_service):
    service = start_service(SANDBOX_QUEUE_SIZE="5", SANDBOX_SLOTS="1")
    response = batch(service, [python("import time; time.sleep(1)") for _ in range(20)])
    items = response.json["jobs"]
    assert 5 <= sum("job" in item for item in items) <= 7
    assert {item["error"]["status"] for item in items if "error" in item} == {429}


def test_results_areToldUpToABound(start_service):
    service = start_service(SANDBOX_OUTPUT="4MiB")
    response = batch(service, [python("print('x' * (4 << 20), end='')") for _ in range(12)],
                     wait="60s")
    assert response.status == 200
    jobs = [item["job"] for item in response.json["jobs"]]
    told = [job for job in jobs if "result" in job]
    assert {job["status"] for job in jobs} == {"completed"}
    assert 7 <= len(told) < 12
    silent = next(job for job in jobs if "result" not in job)
    assert len(service.job(silent["id"])["result"]["stdout"]) == 4 << 20
    assert len(response.body) < 40 << 20


def test_onePoisonJob_leavesTheOthers(service):
    """security.md A36."""
    response = batch(service, [python("print('a')"), python("while True: pass", timeout="300ms"),
                               python("import os; os.abort()"), python("raise SystemExit(3)"), python("print('b')")],
                     wait="30s")
    verdicts = [item["job"]["result"]["verdict"] for item in response.json["jobs"]]
    assert verdicts == ["ok", "time_limit", "signalled", "nonzero_exit", "ok"]
