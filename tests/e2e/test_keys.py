"""API keys: who may call, how much, and that a job is its key's alone."""

import hashlib
import http.client
import json

import pytest

from events import EventReader
from keys import Caller, keys_file, new_secret
from service import eventually, running

HELLO = {"language": "python", "code": "print('hello')"}
SLEEPER = "import time; print('up', flush=True); time.sleep(50)"
UNKNOWN = "A" * 22
# A wrong key costs something of what its address has: tests that send many come from another.
ELSEWHERE = "127.0.0.9"


@pytest.fixture(scope="module")
def keyed():
    """A service with the keys alice and bob; the callers by name."""
    secrets = {"alice": new_secret(), "bob": new_secret()}
    text = ",".join(f"{name}={secret}" for name, secret in secrets.items())
    with running(HTTP_API_KEYS=text, LOG_LEVEL="debug") as service:
        service.callers = {name: Caller(service, secret) for name, secret in secrets.items()}
        yield service


@pytest.fixture
def alice(keyed):
    return keyed.callers["alice"]


@pytest.fixture
def bob(keyed):
    return keyed.callers["bob"]


def raw(service, target, lines, address=ELSEWHERE):
    """One GET with header lines as they are; status and headers."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30,
                                            source_address=(address, 0))
    connection.putrequest("GET", target)
    for name, value in lines:
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def test_calls_needAKey(keyed, alice):
    for method, target, body in (("GET", "/v1/languages", None), ("GET", "/v1/execute", None),
                                 ("POST", "/v1/execute", HELLO), ("POST", "/v1/batch", {"jobs": [HELLO]}),
                                 ("GET", f"/v1/execute/{UNKNOWN}", None),
                                 ("GET", f"/v1/execute/{UNKNOWN}/events", None),
                                 ("GET", f"/v1/execute/{UNKNOWN}/files/out.txt", None),
                                 ("DELETE", f"/v1/execute/{UNKNOWN}", None)):
        refused = keyed.request(method, target, body=body)
        assert refused.status == 401, target
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert alice.request(method, target, body=body).status in (200, 202, 404), target
    assert keyed.get("/v1/interactive").status == 401  # before anything of the handshake
    assert alice.run("print('hello')")["stdout"] == "hello\n"


@pytest.mark.parametrize("target", ["/health", "/health/live", "/health/ready", "/openapi.json", "/docs",
                                    "/metrics"])
def test_whatTellsOfNoJob_isOpen(keyed, target):
    assert keyed.get(target).status == 200


def test_headerThatIsNoKey_isRefused(keyed, alice):
    good = alice.secret
    assert raw(keyed, "/v1/languages", [("Authorization", f"Bearer {good}")])[0] == 200
    assert raw(keyed, "/v1/languages", [("authorization", f"bearer  {good}")])[0] == 200
    for lines in ([], [("Authorization", "")], [("Authorization", "Bearer")],
                  [("Authorization", "Bearer ")], [("Authorization", good)],
                  [("Authorization", f"Basic {good}")], [("Authorization", f"Bearer {good[:-1]}")],
                  [("Authorization", f"Bearer {good}x")], [("Authorization", f"Bearer {good} {good}")],
                  [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")],
                  [("Authorization", "Bearer " + "x" * 10_000)], [("X-Api-Key", good)],
                  [("Authorization", "Bearer " + hashlib.sha256(good.encode()).hexdigest())]):
        assert raw(keyed, "/v1/languages", lines)[0] == 401, lines
    # A NUL makes no header at all.
    connection = http.client.HTTPConnection("127.0.0.1", keyed.port, timeout=30)
    connection.connect()
    connection.sock.sendall(f"GET /v1/languages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {good}\0\r\n\r\n"
                            .encode())
    assert connection.sock.recv(12) == b"HTTP/1.1 400"
    connection.close()


def test_keyInTheQuery_isRefused(keyed, alice):
    for name in ("key", "api_key", "access_token"):
        assert keyed.get(f"/v1/languages?{name}={alice.secret}").status == 401


def test_body_isNotReadWithoutAKey(keyed):
    connection = http.client.HTTPConnection("127.0.0.1", keyed.port, timeout=30)
    connection.putrequest("POST", "/v1/execute")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(30 << 20))
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


def test_jobOfAnotherKey_doesNotExist(keyed, alice, bob):
    done = alice.submit("open('out', 'w').write('done')", outputs=["out"])
    alice.wait(done)
    assert alice.get(f"/v1/execute/{done}/files/out").body == b"done"
    live = alice.submit(SLEEPER, timeout="55s")
    eventually(lambda: alice.job(live)["status"] == "running")
    same = {"X-Request-Id": "the-same"}
    for method, path in (("GET", ""), ("GET", "?wait=100ms"), ("GET", "/events"), ("GET", "/files/out"),
                         ("DELETE", "")):
        def answer(job_id, caller=bob, method=method, path=path):
            response = caller.request(method, f"/v1/execute/{job_id}{path}", headers=same)
            headers = {name: value for name, value in response.headers.items() if name != "date"}
            return response.status, response.body, headers

        unknown = answer(UNKNOWN)
        assert unknown[0] == 404
        assert answer(done) == unknown, (method, path)
        assert answer(live) == unknown, (method, path)
    assert bob.get("/v1/execute").json["jobs"] == []
    assert {job["id"] for job in alice.get("/v1/execute").json["jobs"]} >= {done, live}
    assert alice.job(live)["status"] == "running"
    reader = EventReader(alice, live, key=alice.secret)
    reader.until(lambda event: event.kind == "stdout")
    reader.close()
    assert alice.request("DELETE", f"/v1/execute/{live}").status == 200
    assert alice.wait(live)["status"] == "cancelled"


def test_keys_areInNoLog(keyed, alice):
    wrong = new_secret()
    assert Caller(keyed, wrong).get("/v1/languages").status == 401
    assert alice.post({"language": "none", "code": ""}).status == 422
    log = keyed.log(10_000_000)
    assert "access:    with an API key (2 configured)" in log
    for secret in [wrong, *(caller.secret for caller in keyed.callers.values())]:
        assert secret not in log
    environment = open(f"/proc/{keyed.process.pid}/environ", "rb").read()
    assert alice.secret.encode() not in environment
    assert alice.secret not in alice.get("/metrics").body.decode()


def test_guessing_isSlowedDownAndHelpsNobody(keyed, alice):
    address = "127.0.0.8"
    statuses = [raw(keyed, "/v1/languages", [("Authorization", f"Bearer {alice.secret[:-4]}{i:04}")],
                    address) for i in range(100)]
    assert {status for status, _ in statuses[:60]} == {401}
    status, headers = statuses[-1]
    assert status == 429
    assert int(headers["retry-after"]) >= 1
    # Whoever shares the address is not locked out, and others notice nothing.
    assert raw(keyed, "/v1/languages", [("Authorization", f"Bearer {alice.secret}")], address)[0] == 200
    assert raw(keyed, "/v1/languages", [("Authorization", f"Bearer {new_secret()}")])[0] == 401


@pytest.fixture
def limited(start_service, tmp_path):
    """Starts a service whose keys have the given members; answers it and the callers by name."""
    def start(environment=None, **keys):
        path = tmp_path / "keys.json"
        secrets = keys_file(path, **keys)
        path.chmod(0o600)  # read before root is given up
        service = start_service(HTTP_API_KEYS_FILE=str(path), **(environment or {}))
        return service, {name: Caller(service, secret) for name, secret in secrets.items()}
    return start


def test_rate_isTheKeys(limited):
    service, callers = limited(slow={"rate": "2/h"}, free={})
    first = callers["slow"].post(HELLO)
    assert first.status == 202
    assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"]) == ("2", "1")
    assert 0 < int(first.headers["x-ratelimit-reset"]) <= 1800
    assert callers["slow"].post({"language": "python"}).status == 422  # takes nothing
    batch = callers["slow"].request("POST", "/v1/batch", body={"jobs": [HELLO, {"language": ""}, HELLO]})
    assert batch.headers["x-ratelimit-remaining"] == "0"
    answers = batch.json["jobs"]
    assert "job" in answers[0]
    assert [answers[i]["error"]["status"] for i in (1, 2)] == [422, 429]
    refused = callers["slow"].post(HELLO)
    assert refused.status == 429
    assert 1700 <= int(refused.headers["retry-after"]) <= 1800
    assert refused.headers["x-ratelimit-remaining"] == "0"
    free = callers["free"].post(HELLO)
    assert free.status == 202
    assert "x-ratelimit-limit" not in free.headers


def test_runningAndQueuedJobs_areBounded(limited):
    service, callers = limited({"SANDBOX_SLOTS": "4"}, bounded={"max_running": 1, "max_queued": 2},
                               free={})
    bounded = callers["bounded"]
    first = bounded.submit(SLEEPER, timeout="55s")
    eventually(lambda: bounded.job(first)["status"] == "running")
    second = bounded.submit("print('second')")
    third = bounded.submit("print('third')")
    full = bounded.post(HELLO)
    assert full.status == 429
    assert "key" in full.json["detail"]
    assert callers["free"].run("print('free')")["stdout"] == "free\n"
    assert bounded.job(second)["status"] == "queued"  # though slots are free
    bounded.request("DELETE", f"/v1/execute/{first}")
    assert bounded.wait(second)["result"]["stdout"] == "second\n"
    assert bounded.wait(third)["result"]["stdout"] == "third\n"


def test_limits_areTheKeys(limited):
    service, callers = limited(small={
        "languages": ["python"], "max_timeout": "500ms",
        "max_limits": {"memory_bytes": 64 << 20, "processes": 8}})
    small = callers["small"]
    assert small.post({"language": "go", "code": ""}).json["errors"] == [
        {"field": "language", "message": "must be one of: python"}]
    refused = small.post({**HELLO, "timeout": "501ms",
                          "limits": {"memory_bytes": 65 << 20, "processes": 9}})
    assert set(refused.fields()) == {"timeout", "limits.memory_bytes", "limits.processes"}
    assert small.run("while True: pass")["verdict"] == "time_limit"  # unasked, too
    assert small.run("x = b'x' * (100 << 20)")["verdict"] == "memory_limit"


def test_aKeyThatIsReplaced_keepsItsJobs(start_service):
    service = start_service(HTTP_API_KEYS=f"ci={new_secret()}")
    before = Caller(service, service.environment["HTTP_API_KEYS"].split("=", 1)[1])
    job_id = before.submit("print('kept')")
    before.wait(job_id)
    service.terminate()
    after = Caller(service, new_secret())
    service.start(HTTP_API_KEYS=f"ci={after.secret},other={before.secret}")
    assert after.job(job_id)["result"]["stdout"] == "kept\n"
    assert before.get(f"/v1/execute/{job_id}").status == 404


def test_openService_saysSo(start_service):
    service = start_service(HTTP_HOST="0.0.0.0")
    assert "the service is open" in service.log()
    assert "access:    open to all who reach it" in service.log()
    assert service.run("print(1)")["stdout"] == "1\n"


def test_openService_onLoopbackIsFine(service):
    assert "the service is open" not in service.log(1_000_000)


def test_requiredKeys_areAskedForWhenThereAreNone(start_service):
    service = start_service(HTTP_AUTH="required", HTTP_HOST="0.0.0.0")
    assert service.post(HELLO).status == 401
    assert "the service is open" not in service.log()


def test_keysJobs_areNotThereWhenKeysAreOff(start_service):
    secret = new_secret()
    service = start_service(HTTP_API_KEYS=f"ci={secret}")
    job_id = Caller(service, secret).submit("print(1)")
    service.terminate()
    service.start(HTTP_AUTH="off")
    assert service.get(f"/v1/execute/{job_id}").status == 404
    assert service.run("print(1)")["stdout"] == "1\n"


@pytest.mark.parametrize("members, why", [({"network": True}, "keys[0].network"),
                                          ({"languages": ["cobol"]}, "languages[0] must be one of")],
                         ids=str)
def test_wrongKeysFile_endsTheStart(start_service, tmp_path, members, why):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [{"name": "a", "key": new_secret(), **members}]}))
    service = start_service(healthy=False, HTTP_API_KEYS_FILE=str(path))
    assert service.process.wait(60) == 2
    assert why in service.log()
