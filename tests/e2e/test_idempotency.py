"""Idempotency-Key: a submission that is sent again makes no second job."""

import concurrent.futures

import pytest

from keys import Caller, keys_file, new_secret
from service import eventually
from test_redis import node, redis  # noqa: F401: fixtures

HELLO = {"language": "python", "code": "print('hello')"}


def again(service, key, body=None, **options):
    return service.post(HELLO if body is None else body, headers={"Idempotency-Key": key}, **options)


def jobs(service):
    return service.get("/v1/execute?limit=1000").json["jobs"]


def test_sameKeyAndBody_isTheSameJob(service):
    first = again(service, "retry-1")
    assert first.status == 202
    job = service.wait(first.json["id"])
    second = again(service, "retry-1")
    assert (second.status, second.json["id"]) == (202, first.json["id"])
    assert second.json["status"] == "completed"
    assert second.json["created_at"] == first.json["created_at"]
    assert second.headers["location"] == first.headers["location"]
    waited = {**HELLO, "wait": "20s"}
    third = again(service, "retry-2", waited)
    assert third.status == 200
    assert again(service, "retry-2", waited).json == third.json
    assert job["attempts"] == 1


def test_sameKeyWithAnotherBody_isAConflict(service):
    first = again(service, "other-1")
    refused = again(service, "other-1", {**HELLO, "code": "print('other')"})
    assert refused.status == 409
    assert service.wait(first.json["id"])["result"]["stdout"] == "hello\n"
    assert again(service, "other-2").json["id"] != first.json["id"]


def test_sameKeyAtOnce_isOneJob(service):
    before = len(jobs(service))
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: again(service, "at-once"), range(48)))
    assert {answer.status for answer in answers} == {202}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert len(jobs(service)) == before + 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "a\tb", "\xe9"])
def test_keyThatIsNone_isRefused(service, key):
    refused = again(service, key)
    assert refused.status == 422
    assert refused.fields() == ["Idempotency-Key"]


def test_batch_takesNone(service):
    refused = service.request("POST", "/v1/batch", body={"jobs": [HELLO]},
                              headers={"Idempotency-Key": "a"})
    assert refused.status == 422
    assert refused.fields() == ["Idempotency-Key"]


def test_refusedSubmission_leavesTheKeyFree(service):
    assert again(service, "free", {"language": "none", "code": ""}).status == 422
    assert again(service, "free").status == 202


def test_key_holdsOverARestart_andForgetsWithItsJob(start_service):
    service = start_service(JOB_TTL="2s")
    first = again(service, "kept")
    service.terminate()
    service.start()
    assert again(service, "kept").json["id"] == first.json["id"]
    service.wait(first.json["id"])

    def made_anew():
        answer = again(service, "kept")
        assert answer.status in (202, 503), answer.body
        return answer.status == 202 and answer.json["created_at"] != first.json["created_at"]
    eventually(made_anew, 30)
    assert service.wait(first.json["id"])["result"]["stdout"] == "hello\n"


def test_keysOfDifferentCallers_doNotMeet(start_service):
    secrets = [new_secret(), new_secret()]
    service = start_service(HTTP_API_KEYS=f"a={secrets[0]},b={secrets[1]}")
    a, b = (Caller(service, secret) for secret in secrets)
    first = again(a, "shared")
    other = again(b, "shared", {**HELLO, "code": "print('b')"})
    assert (first.status, other.status) == (202, 202)
    assert first.json["id"] != other.json["id"]


def test_rate_isNotTakenByARepetition(start_service, tmp_path):
    path = tmp_path / "keys.json"
    secret = keys_file(path, slow={"rate": "1/h"})["slow"]
    slow = Caller(start_service(HTTP_API_KEYS_FILE=str(path)), secret)
    first = again(slow, "once")
    assert again(slow, "once").json["id"] == first.json["id"]
    assert again(slow, "twice").status == 429


def test_sameKeyOnTwoNodes_isOneJob(node):  # noqa: F811
    one, two = node("api"), node("api")
    node("worker")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: again((one, two)[i % 2], "shared"), range(24)))
    assert [a.body for a in answers if a.status != 202] == []
    assert len({answer.json["id"] for answer in answers}) == 1
    assert one.wait(answers[0].json["id"])["result"]["stdout"] == "hello\n"
