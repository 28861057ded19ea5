"""Requests that are made to break, exhaust or mislead the API."""

import json
import os
import socket
import time

import pytest

from service import eventually, running

HEAD = b"POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def strict():
    """A service with short deadlines."""
    with running(HTTP_READ_TIMEOUT="1s", HTTP_WRITE_TIMEOUT="1s") as created:
        yield created


def exchange(service, request, deadline=15):
    """Sends bytes; returns all that comes until the service closes."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=deadline) as s:
        s.sendall(request)
        answer = b""
        try:
            while part := s.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
        return answer


def status(answer):
    return int(answer.split(b" ", 2)[1])


def descriptors(service):
    return len(os.listdir(f"/proc/{service.process.pid}/fd"))


def body(**members):
    return json.dumps({"language": "python", "code": "1", **members})


def test_bodyOfTenGibibytes_isRefusedBeforeItIsRead(strict):
    started = time.monotonic()
    answer = exchange(strict, HEAD + b"Content-Length: %d\r\n\r\n{" % (10 << 30))
    assert status(answer) == 413
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("request_bytes", [
    HEAD + b"X-Folded: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    HEAD + b" Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
    HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Content-Length: 2, 2\r\n\r\n{}",
    HEAD + b"Content-Length: 0x2\r\n\r\n{}",
    HEAD + b"Content-Length: +2\r\n\r\n{}",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;a\nb\r\n{}\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    HEAD.replace(b"Host: x\r\n", b"Host: x\rContent-Length: 2\r\n") + b"\r\n{}",
    HEAD + b"X-Nul: a\0b\r\nContent-Length: 2\r\n\r\n{}",
], ids=["folded", "folded_length", "space_before_colon", "two_encodings", "unknown_encoding", "length_list",
        "hex_length", "signed_length", "chunk_extension", "negative_chunk", "huge_chunk", "bare_cr", "nul"])
def test_requestThatMayBeReadInTwoWays_isRefusedAndClosed(strict, request_bytes):
    answer = exchange(strict, request_bytes + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status(answer) in (400, 501), answer[:300]
    assert answer.count(b"HTTP/1.1 ") == 1, answer[:500]


def test_readerThatStalls_isCutOffByTheWriteDeadline(strict):
    job = strict.submit("print('\\0' * 1000000)")
    strict.wait(job)
    before = strict.get("/health") and descriptors(strict)
    stalled = []
    for _ in range(6):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", strict.port))
        s.sendall(f"GET /v1/execute/{job} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 5)
        stalled.append(s)
    started = time.monotonic()
    assert strict.get("/health").status == 200
    assert time.monotonic() - started < 2
    eventually(lambda: descriptors(strict) <= before, 15, what="the end of the stalled connections")
    for s in stalled:
        s.close()


@pytest.mark.parametrize("target, first", [("/health", 405), ("/v1/execute/AAAAAAAAAAAAAAAAAAAAAA", 404)])
def test_deleteWithoutBodyAndAPipelinedRequest_areAnsweredOneByOne(strict, target, first):
    answer = exchange(strict, f"DELETE {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode() +
                      b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [first, 200]


def test_thousandsOfRanges_areIgnored(service):
    ranges = "bytes=" + ",".join("0-" for _ in range(5000))  # what a header may hold
    response = service.get("/health", headers={"Range": ranges})
    assert response.status == 200
    assert response.json["status"] == "ok"


@pytest.mark.parametrize("text", ["[" * 1_000_000, '{"a":' * 200_000, "[" * 100 + "]" * 100])
def test_deepNesting_isRefused(service, text):
    assert service.post(text).status == 400
    assert service.post(body(code=1).replace("1", text, 1)).status == 400


@pytest.mark.parametrize("value", [
    -1, 0, 1e300, 1e-300, 2**63, 2**64, 1.5, True, None, [], {}, "5", "NaN", "-0s", "0s", "0x10s", "1e3s", "1e309s",
    "9999999999999h", "-1s", "1s ", " 1s", "1S", "١s", "1s\0", "", "Infinity", "1ns", "9223372036854775808ns",
])
def test_timeoutThatIsNoDurationInRange_isRefused(service, value):
    response = service.post(json.dumps({"language": "python", "code": "1", "timeout": value}))
    if value == "1ns":  # a duration, if a short one
        assert response.status in (202, 422)
        return
    assert response.status == 422, response.body
    assert response.fields() == ["timeout"]


@pytest.mark.parametrize("text", ['{"language":"python","code":"1","timeout":NaN}',
                                  '{"language":"python","code":"1","timeout":Infinity}',
                                  '{"language":"python","code":"1","timeout":0x10}',
                                  '{"language":"python","code":"1","timeout":01}'])
def test_numberThatIsNoJson_isRefused(service, text):
    assert service.post(text).status == 400


LIMITS = ["cpu_time", "memory_bytes", "processes", "output_bytes", "file_bytes", "open_files"]


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("value", [
    "-1", "0", "-0", "1e309", "1e-400", str(2**63), str(2**64), '"5"', "NaN", "1.5", "0x10", "true", "null", "[]", "{}",
    '"-1s"', '"0s"', '""'])
def test_limitThatIsNoNumberInRange_isRefused(service, name, value):
    response = service.post('{"language":"python","code":"1","limits":{"%s":%s}}' % (name, value))
    if value in ("NaN", "0x10"):
        assert response.status == 400, response.body
    else:
        assert (response.status, response.fields()) == (422, [f"limits.{name}"]), response.body


@pytest.mark.parametrize("content", ["a", "ab==c", "a b=", "YQ", "YQ=", "YQ===", "YQ==\n", "====", "-_==", "\u00e9===="])
def test_base64ThatIsNone_isRefused(service, content):
    response = service.post({"language": "python", "code": "1",
                             "files": [{"path": "x", "content": content, "encoding": "base64"}]})
    assert (response.status, response.fields()) == (422, ["files[0].content"]), response.body


@pytest.mark.parametrize("members, field", [
    ({"args": ["a\0b"]}, "args[0]"), ({"env": {"A": "a\0b"}}, "env.A"),
    ({"files": [{"path": "a\0b", "content": ""}]}, "files[0].path")])
def test_nulInNamesArgumentsAndEnvironment_isRefused(service, members, field):
    response = service.post({"language": "python", "code": "1", **members})
    assert (response.status, response.fields()) == (422, [field]), response.body


@pytest.mark.parametrize("value", [-1, 1e300, 2**63, True, None, [], "5", "-1s", "1e3s", "9999999999999h", "1s\0", ""])
def test_waitThatIsNoDuration_isRefused(service, value):
    response = service.post({"language": "python", "code": "1", "wait": value})
    assert (response.status, response.fields()) == (422, ["wait"]), response.body


@pytest.mark.parametrize("text", [
    b'{"language":"python","code":"\xff"}', b'{"language":"python","code":"\xc0\xaf"}',
    b'{"language":"python","code":"\xed\xa0\x80"}', b'\xef\xbb\xbf{"language":"python","code":"1"}',
    b'{"language":"python","code":"\\ud800"}', b'{"language":"python","code":"\\udc00\\ud800"}',
], ids=["byte", "overlong", "surrogate", "mark", "lone_escape", "reversed_escapes"])
def test_textThatIsNoUnicode_isRefused(service, text):
    assert service.post(text).status == 400


def test_nulInCodeAndStdin_arrivesAsItIs(service):
    result = service.run("import sys\nprint(len(sys.stdin.read()), 'a\\0b')", stdin="x\0y")
    assert (result["verdict"], result["stdout"]) == ("ok", "3 a\0b\n")


@pytest.mark.parametrize("language", [
    "../../bin/sh", "python; id", "python\0", "PYTHON", "", " python", "python ", "/usr/bin/python3", "python\n",
    "%70ython", "p" * 100_000, "..", "go\u202e"])
def test_languageThatIsNone_isRefused(service, language):
    response = service.post({"language": language, "code": "1"})
    assert response.status == 422
    assert response.fields() == ["language"]
    assert len(response.body) < 20_000


def test_clientThatLeaves_leavesNoSlotBehind(strict):
    for _ in range(8):
        with socket.create_connection(("127.0.0.1", strict.port)) as s:
            text = body(code="import time; time.sleep(0.3)", wait="30s").encode()
            s.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(text) + text)
    assert strict.run("print('free')")["stdout"] == "free\n"
    eventually(lambda: strict.get("/health").json["running"] == 0, 20)


def test_logLine_cannotBeForged(start_service):
    service = start_service(LOG_LEVEL="debug")
    forged = '"}\n{"level":"error","msg":"forged"}'
    service.get("/health", headers={"User-Agent": "x\x1b[2J" + "y" * 5000})
    service.get("/forged%0a%7b%22level%22:%22error%22,%22msg%22:%22forged%22%7d")
    service.post({"language": forged, "code": "1"})
    service.run("import sys\nsys.stderr.write(" + repr(forged) + ")")
    for line in service.log(1 << 20).splitlines():
        assert not line.startswith('{"level":"error","msg":"forged"'), line
        assert "\x1b" not in line
        if line.startswith("{"):
            assert json.loads(line)["msg"] != "forged"


@pytest.mark.parametrize("method, headers, status", [
    ("OPTIONS", {"Access-Control-Request-Method": "POST"}, 204),
    ("OPTIONS", {"Access-Control-Request-Method": "GET", "Access-Control-Request-Private-Network": "true"}, 204),
    ("GET", {}, 200),  # the list of all jobs
    ("POST", {"Content-Type": "text/plain"}, 415),
    ("POST", {"Content-Type": "application/json"}, 202),
])
def test_foreignOrigin_isNotAllowedIn(service, method, headers, status):
    response = service.request(method, "/v1/execute", body=body() if method == "POST" else None,
                               headers=headers | {"Origin": "https://evil.example"})
    assert response.status == status
    assert not any(name.startswith("access-control-") for name in response.headers)


def test_errorOfTheService_namesNoPathsOrVersions(service):
    for response in (service.post("{"), service.get("/nothing"), service.post({"language": "x", "code": 1}),
                     service.request("PUT", "/v1/execute", body="{}")):
        text = response.body.decode()
        for word in (str(service.folder), "/usr/", "src/", ".cc", "boost", "what()"):
            assert word not in text, text
        assert "server" not in response.headers or "/" not in response.headers["server"]
