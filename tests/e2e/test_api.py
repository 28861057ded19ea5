"""The HTTP contract: submit, poll, wait, and how wrong requests are refused."""

import datetime
import json
import time

import pytest

from service import eventually

HELLO = 'print("hello", input())'


def timestamp(text):
    return datetime.datetime.fromisoformat(text[:26] + "+00:00")


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
def test_health_saysOk(service, path):
    response = service.get(path)
    assert response.status == 200
    assert response.json["status"] == "ok"


def test_health_namesPartsAndVersion(service):
    health = service.get("/health").json
    assert health["store"] == "sqlite"
    assert health["backend"] == "native"
    assert health["version"]


def test_submit_answersAcceptedWithIdAndLocation(service):
    before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1)
    response = service.post({"language": "python", "code": HELLO, "stdin": "world"})
    assert response.status == 202
    assert response.json["status"] == "queued"
    assert response.headers["location"] == f"/v1/execute/{response.json['id']}"
    assert before <= timestamp(response.json["created_at"])
    job = service.wait(response.json["id"])
    assert job["created_at"] == response.json["created_at"]


def test_get_hasMetadataStatusAndResult(service):
    job = service.wait(service.submit(HELLO, stdin="world"))
    assert job["status"] == "completed"
    assert job["language"] == "python"
    assert job["attempts"] == 1
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    result = job["result"]
    assert (result["verdict"], result["exit_code"]) == ("ok", 0)
    assert result["stdout"] == "hello world\n"
    assert result["stderr"] == ""
    assert "signal" not in result
    assert "compile" not in result
    assert result["usage"]["cpu_time_ms"] > 0
    assert result["usage"]["memory_peak_bytes"] > 0
    assert result["usage"]["processes_peak"] >= 1


def test_get_beforeTheEnd_hasNoResult(service):
    job_id = service.submit("import time; time.sleep(1)")
    job = service.job(job_id)
    assert job["status"] in ("queued", "running")
    assert "result" not in job
    assert service.wait(job_id)["result"]["verdict"] == "ok"


def test_getWait_holdsUntilTheJobEnds(service):
    job_id = service.submit("import time; time.sleep(0.5); print('done')")
    started = time.monotonic()
    job = service.get(f"/v1/execute/{job_id}?wait=30s").json
    assert job["status"] == "completed"
    assert job["result"]["stdout"] == "done\n"
    assert time.monotonic() - started < 15


def test_getWait_answersTheJobAsItStandsWhenTheTimeIsOver(service):
    job_id = service.submit("import time; time.sleep(2)")
    started = time.monotonic()
    job = service.get(f"/v1/execute/{job_id}?wait=300ms").json
    assert job["status"] in ("queued", "running")
    assert 0.25 < time.monotonic() - started < 1.9
    service.wait(job_id)


@pytest.mark.parametrize("members", [
    {"code": "import sys; print(input()); print(2, file=sys.stderr); sys.exit(3)", "stdin": "in"},
    {"code": "import sys; sys.stdout.buffer.write(bytes(range(256)))", "priority": 3},
    {"code": "open('a.txt', 'w').write('left')", "outputs": ["*.txt"]},
    {"code": "print(input())", "tests": [{"stdin": "1", "expected_output": "1"},
                                         {"stdin": "2", "expected_output": "1", "name": "two"}]},
    {"code": "int main(", "language": "c"},
    {"code": "while True: pass", "timeout": "100ms"},
    {"code": "print('x' * 3_000_000)"},
], ids=["exit", "binary", "files", "judge", "compile", "timeout", "large"])
def test_wait_answersTheJobAsItIsStored(service, members):
    answer = service.post({"language": "python", "wait": "60s", **members})
    assert answer.json["status"] == "completed", answer.json
    assert answer.json == service.get(f"/v1/execute/{answer.json['id']}").json


@pytest.mark.parametrize("wait", ["5", "-1s", "soon", "10h"])
def test_getWait_refusesAWrongDuration(service, wait):
    job_id = service.submit("pass")
    response = service.get(f"/v1/execute/{job_id}?wait={wait}")
    assert response.status == 422
    assert response.fields() == ["wait"]


def test_submitWait_answersTheFinishedJob(service):
    response = service.post({"language": "python", "code": HELLO, "stdin": "you", "wait": "30s"})
    assert response.status == 200
    assert response.json["result"]["stdout"] == "hello you\n"
    assert response.headers["location"] == f"/v1/execute/{response.json['id']}"


def test_submitWait_answersAcceptedWhenItTakesLonger(service):
    response = service.post(
        {"language": "python", "code": "import time; time.sleep(2)", "wait": "200ms"})
    assert response.status == 202
    assert service.wait(response.json["id"])["result"]["verdict"] == "ok"


def test_submit_takesAliases(service):
    job = service.wait(service.submit("print(1)", language="py"))
    assert job["language"] == "python"


@pytest.mark.parametrize("timeout", ["500ms", "0.5s", "500000us", "0h0m0.5s"])
def test_submit_takesGoDurations(service, timeout):
    result = service.run("import time; time.sleep(30)", timeout=timeout)
    assert result["verdict"] == "time_limit"
    assert 450 <= result["usage"]["wall_time_ms"] < 2500


def test_submit_keepsEveryCharacterOfCodeAndStdin(service):
    text = "a\u0000b\r\n\u2028é\U0001F600 \\ \" end"
    result = service.run("import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())", stdin=text)
    assert result["stdout"] == text
    result = service.run("print('é\U0001F600', len('\\u2028'))\r\n")
    assert result["stdout"] == "é\U0001F600 1\n"


def test_languages_listsGoAndPythonWithTheirVersions(service):
    languages = {entry["id"]: entry for entry in service.get("/v1/languages").json["languages"]}
    assert {"go", "python"} <= languages.keys()
    for name in ("go", "python"):
        assert languages[name]["available"], languages[name]
        result = service.run(languages[name]["sample"], name)
        assert result["verdict"] == "ok"
        assert "Hello" in result["stdout"]


# Wrong bodies.

@pytest.mark.parametrize("body", [
    "",
    "{",
    '{"language": "python", "code": "1"',
    '{"language": "python", "code": "1"} trailing',
    "{'language': 'python'}",
    '{"language": "python", "code": "\\ud800"}',
    b'{"language": "python", "code": "\xff\xfe"}',
    b'{"language": "python", "code": "\xc0\xaf"}',
    "[" * 100_000,
    '{"a":' * 100_000,
    "NaN",
], ids=["empty", "brace", "cut", "trailing", "quotes", "surrogate", "not_utf8", "overlong",
        "deep_array", "deep_object", "nan"])
def test_submit_refusesMalformedJson(service, body):
    assert service.post(body).status == 400


@pytest.mark.parametrize("body", [
    '{"language": "python", "code": "1", "code": "2"}',
    '{"language": "python", "code": "1", "timeout": "1s", "timeout": "9s"}',
    '{"language": "python", "code": "1", "c\\u006fde": "2"}',
])
def test_submit_refusesDuplicateKeys(service, body):
    assert service.post(body).status == 422


@pytest.mark.parametrize("changes, field", [
    ({"language": None}, "language"),
    ({"language": 5}, "language"),
    ({"language": ["python"]}, "language"),
    ({"language": ""}, "language"),
    ({"language": "cobol"}, "language"),
    ({"language": "PYTHON"}, "language"),
    ({"language": "../../bin/sh"}, "language"),
    ({"language": "python3; id"}, "language"),
    ({"language": "python\u0000"}, "language"),
    ({"code": None}, "code"),
    ({"code": 1}, "code"),
    ({"code": {"main": "1"}}, "code"),
    ({"stdin": 5}, "stdin"),
    ({"stdin": None}, "stdin"),
    ({"timeout": 5}, "timeout"),
    ({"timeout": "5"}, "timeout"),
    ({"timeout": "-1s"}, "timeout"),
    ({"timeout": "0s"}, "timeout"),
    ({"timeout": "1e3s"}, "timeout"),
    ({"timeout": ""}, "timeout"),
    ({"timeout": " 1s"}, "timeout"),
    ({"timeout": "NaNs"}, "timeout"),
    ({"timeout": "61s"}, "timeout"),
    ({"timeout": "10000000h"}, "timeout"),
    ({"timeout": "99999999999999999999s"}, "timeout"),
    ({"timeout": None}, "timeout"),
    ({"wait": 1}, "wait"),
    ({"wait": "-1s"}, "wait"),
    ({"wait": "soon"}, "wait"),
    ({"colour": "red"}, "colour"),
    ({"Code": "1"}, "Code"),
], ids=lambda value: json.dumps(value) if isinstance(value, dict) else None)
def test_submit_refusesAWrongFieldByName(service, changes, field):
    response = service.post({"language": "python", "code": "print(1)", **changes})
    assert response.status == 422
    assert response.fields() == [field]


@pytest.mark.parametrize("missing", ["language", "code"])
def test_submit_refusesAMissingFieldByName(service, missing):
    body = {"language": "python", "code": "print(1)"}
    del body[missing]
    response = service.post(body)
    assert response.status == 422
    assert response.fields() == [missing]


def test_submit_namesAllWrongFieldsAtOnce(service):
    response = service.post({"language": 1, "code": 2, "surprise": 3})
    assert response.status == 422
    assert sorted(response.fields()) == ["code", "language", "surprise"]


@pytest.mark.parametrize("body", ["[]", '"text"', "5", "null", "true"])
def test_submit_refusesABodyThatIsNoObject(service, body):
    assert service.post(body).status == 422


def test_submit_refusesCodeOverTheCap(service):
    response = service.post({"language": "python", "code": "#" * (2 << 20)})
    assert response.status == 422
    assert response.fields() == ["code"]


def test_submit_refusesABodyOverTheCap(service):
    response = service.request(
        "POST", "/v1/execute", headers={"Content-Length": str(10 << 30),
                                        "Content-Type": "application/json"})
    assert response.status == 413


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded",
                                  "multipart/form-data", "application/jsonx"])
def test_submit_refusesOtherContentTypes(service, kind):
    response = service.post('{"language": "python", "code": "1"}', headers={"Content-Type": kind})
    assert response.status == 415


def test_submit_takesACharset(service):
    response = service.post({"language": "python", "code": "1"},
                            headers={"Content-Type": "Application/JSON; charset=utf-8"})
    assert response.status == 202


# Wrong paths, methods, headers.

@pytest.mark.parametrize("path", [
    "/v1/execute/AAAAAAAAAAAAAAAAAAAAAA",
    "/v1/execute/x",
    "/v1/execute/..%2f..%2fetc%2fpasswd",
    "/v1/execute/' OR 1=1 --".replace(" ", "%20"),
    "/v1/execute/" + "a" * 4000,
    "/nothing",
    "/v2/execute",
    "/health/more",
])
def test_get_ofSomethingUnknown_is404(service, path):
    assert service.get(path).status == 404


@pytest.mark.parametrize("method, path, allowed", [
    ("PUT", "/v1/execute", "POST"),
    ("DELETE", "/health", "GET"),
    ("POST", "/health", "GET"),
    ("PATCH", "/v1/execute/AAAAAAAAAAAAAAAAAAAAAA", "GET"),
    ("POST", "/v1/languages", "GET"),
])
def test_otherMethods_are405WithAllow(service, method, path, allowed):
    response = service.request(method, path, body={} if method != "DELETE" else None)
    assert response.status == 405
    assert allowed in [part.strip() for part in response.headers["allow"].split(",")]


def test_headerOverTheCap_is431(service):
    response = service.get("/health", headers={"X-Long": "a" * 30_000})
    assert response.status == 431


def test_requestId_isEchoed(service):
    response = service.get("/health", headers={"X-Request-Id": "build-42.a_b"})
    assert response.headers["x-request-id"] == "build-42.a_b"
    response = service.get("/nothing", headers={"X-Request-Id": "build-43"})
    assert response.json["request_id"] == "build-43"


@pytest.mark.parametrize("wrong", ["a b", "a\"b", "x" * 500, "<script>"])
def test_requestId_thatIsUnsafe_isReplaced(service, wrong):
    assert service.get("/health", headers={"X-Request-Id": wrong}).headers["x-request-id"] != wrong


def test_requestIds_differ(service):
    seen = {service.get("/health").headers["x-request-id"] for _ in range(20)}
    assert len(seen) == 20


def test_unknownLanguage_isToldWhatThereIs(service):
    problem = service.post({"language": "cobol", "code": "1"}).json
    assert "python" in json.dumps(problem)


def test_compiledProgram_isKeptForTheSameSource(start_service):
    service = start_service()
    code = 'package main\n\nimport "fmt"\n\nfunc main() {\n\tvar s string\n\tfmt.Scan(&s)\n' \
           '\tfmt.Println("read", s)\n}\n'
    first = service.run(code, "go", stdin="one")
    assert (first["stdout"], first["compile"]["cached"]) == ("read one\n", False)
    for start in range(2):
        again = eventually(lambda: (result := service.run(code, "go", stdin="two"))
                           and result["compile"]["cached"] and result)
        assert again["stdout"] == "read two\n"
        assert again["compile"]["exit_code"] == 0
        other = service.run(code.replace("read", f"other {start}"), "go", stdin="x")
        assert (other["stdout"], other["compile"]["cached"]) == (f"other {start} x\n", False)
        assert service.terminate() == 0
        service.start()


def test_compileError_isNotKept(service):
    for _ in range(2):
        result = service.run("package main\n\nfunc main() { x }\n", "go")
        assert result["verdict"] == "compile_error"
        assert not result["compile"]["cached"]
        assert "undefined: x" in result["compile"]["stderr"]
