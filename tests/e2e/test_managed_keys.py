"""API keys that are made, listed and revoked while the service runs, by a command and by calls."""

import json
import subprocess
import threading

import pytest

from events import EventReader
from keys import Caller, new_secret
from service import SANDBOXD, eventually
from test_redis import node, redis  # noqa: F401: fixtures

SLEEPER = "import time; print('up', flush=True); time.sleep(50)"


def command(service, *words, environment=None):
    return subprocess.run([str(SANDBOXD), "keys", *words], env=environment or service.environment,
                          capture_output=True, text=True, timeout=60)


def made(service, *words):
    done = command(service, "create", *words)
    assert done.returncode == 0, done.stderr
    key = json.loads(done.stdout)
    return Caller(service, key["key"]), key


@pytest.fixture
def admin(start_service):
    """A caller that may make keys, at a service of its own."""
    service = start_service()
    caller, _key = made(service, "root", '{"admin": true}')
    eventually(lambda: caller.get("/v1/languages").status == 200 and
               service.get("/v1/languages").status == 401)
    caller.service = service
    return caller


def create(admin, **members):
    response = admin.request("POST", "/v1/keys", body=members)
    assert response.status == 201, response.body
    return Caller(admin, response.json["key"]), response.json


def test_firstKey_closesTheService_andTheLastDoesNotOpenIt(start_service):
    service = start_service()
    assert service.get("/v1/languages").status == 200
    caller, key = made(service, "first")
    eventually(lambda: service.get("/v1/languages").status == 401)
    assert caller.run("print(1)")["stdout"] == "1\n"
    assert json.loads(command(service, "list").stdout)["keys"][0]["id"] == key["id"]
    assert command(service, "revoke", key["id"]).returncode == 0
    eventually(lambda: caller.get("/v1/languages").status == 401)
    assert service.get("/v1/languages").status == 401
    assert json.loads(command(service, "list").stdout) == {"keys": []}
    assert command(service, "revoke", key["id"]).returncode == 1


def test_command_worksBeforeTheFirstStart(start_service):
    service = start_service(healthy=False)
    eventually(service._healthy, 300)
    service.terminate()
    caller, key = made(service, "early", '{"rate": "1/h", "languages": ["py"]}')
    assert key["languages"] == ["python"]
    service.start()
    assert service.get("/v1/languages").status == 401
    assert caller.post({"language": "python", "code": ""}).status == 202
    assert caller.post({"language": "python", "code": ""}).status == 429


@pytest.mark.parametrize("words", [["create"], ["create", "a b"], ["create", "a", "[]"], ["make", "a"],
                                   ["create", "a", '{"rate": "x"}'], ["create", "a", '{"languages": ["x"]}'], ["create", "a", '{"name": "b"}'], [],
                                   ["list", "all"], ["revoke"]], ids=" ".join)
def test_wrongCommand_saysSo(service, words):
    done = command(service, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr


def test_command_ofAMemoryStore_isRefused(service):
    done = command(service, "list", environment={**service.environment, "JOB_STORE": "memory"})
    assert done.returncode == 1
    assert "POST /v1/keys" in done.stderr


def test_keys_areMadeListedAndRevokedByCalls(admin):
    caller, key = create(admin, name="web", rate="600/m", max_running=2, max_queued=9,
                         languages=["py"], max_timeout="5s", max_limits={"processes": 8})
    assert key["languages"] == ["python"]
    assert caller.run("print(1)")["stdout"] == "1\n"
    listed = admin.get("/v1/keys").json["keys"]
    assert [k["name"] for k in listed] == ["root", "web"]
    assert listed[1] == {name: value for name, value in key.items() if name != "key"}
    assert admin.request("DELETE", f"/v1/keys/{key['id']}").status == 204
    assert caller.get("/v1/languages").status == 401
    assert admin.request("DELETE", f"/v1/keys/{key['id']}").status == 404
    assert key["key"] not in admin.service.log(10_000_000)


def test_keys_areKeptHashed(admin):
    _, key = create(admin, name="web")
    for path in (admin.service.folder / "state").glob("jobs.db*"):
        assert key["key"].encode() not in path.read_bytes()


@pytest.mark.parametrize("members, field", [
    ({}, "name"), ({"name": "a b"}, "name"), ({"name": "a", "rate": "9"}, "rate"),
    ({"name": "a", "rate": "0/s"}, "rate"), ({"name": "a", "max_running": 0}, "max_running"),
    ({"name": "a", "languages": ["none"]}, "languages[0]"), ({"name": "a", "languages": []}, "languages"),
    ({"name": "a", "key": "0123456789abcdefx"}, "key"), ({"name": "a", "network": True}, "network"),
    ({"name": "a", "max_limits": {"x": 1}}, "max_limits.x"), ({"name": "a", "admin": 1}, "admin")], ids=str)
def test_wrongMember_isNamed(admin, members, field):
    refused = admin.request("POST", "/v1/keys", body=members)
    assert refused.status == 422
    assert refused.fields() == [field]


def test_callsForAdmins_areForNobodyElse(admin, service):
    caller, key = create(admin, name="plain")
    for client in (caller, service):
        assert client.get("/v1/keys").status == 403
        assert client.request("POST", "/v1/keys", body={"name": "mine", "admin": True}).status == 403
        assert client.request("DELETE", f"/v1/keys/{key['id']}").status == 403


def test_configuredKey_cannotBeRevoked(start_service, tmp_path):
    path = tmp_path / "keys.json"
    secret = new_secret()
    path.write_text(json.dumps({"keys": [{"name": "root", "key": secret, "admin": True}]}))
    root = Caller(start_service(HTTP_API_KEYS_FILE=str(path), JOB_STORE="memory"), secret)
    assert root.request("DELETE", "/v1/keys/root").status == 409
    caller, _ = create(root, name="in-memory")
    assert caller.run("print(1)")["stdout"] == "1\n"


def test_revocation_endsWhatIsUnderWay(admin):
    caller, key = create(admin, name="short")
    job_id = caller.submit(SLEEPER, timeout="55s")
    reader = EventReader(caller, job_id, key=caller.secret)
    stream = iter(reader)
    next(event for event in stream if event.kind == "stdout")
    statuses = []
    waiting = threading.Thread(
        target=lambda: statuses.append(caller.get(f"/v1/execute/{job_id}?wait=50s").status))
    waiting.start()
    waits = "sandbox_http_waiting 1"
    eventually(lambda: waits in admin.get("/metrics").body.decode())
    assert admin.request("DELETE", f"/v1/keys/{key['id']}").status == 204
    assert [event.kind for event in stream if event.kind == "result"] == []
    waiting.join(20)
    assert statuses == [401]
    reader.close()


def test_keys_areTheSameOnAllNodes(node):  # noqa: F811
    one, two = node("api"), node("api")
    node("worker")
    admin, _ = made(one, "root", '{"admin": true}')
    elsewhere = Caller(two, admin.secret)
    eventually(lambda: two.get("/v1/languages").status == 401 and elsewhere.get("/v1/keys").status == 200)
    eventually(lambda: admin.get("/v1/keys").status == 200)
    caller, key = create(admin, name="slow", rate="2/h")
    there = Caller(two, caller.secret)
    eventually(lambda: there.get("/v1/languages").status == 200)
    job_id = caller.submit("print('here')")
    assert there.wait(job_id)["result"]["stdout"] == "here\n"
    assert there.post({"language": "python", "code": ""}).status == 202
    assert caller.post({"language": "python", "code": ""}).status == 429
    assert elsewhere.get(f"/v1/execute/{job_id}").status == 404
    assert admin.request("DELETE", f"/v1/keys/{key['id']}").status == 204
    eventually(lambda: there.get("/v1/languages").status == 401)
