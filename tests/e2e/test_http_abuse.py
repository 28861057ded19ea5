"""Clients that break HTTP's rules, on raw sockets. The service stays quick for everyone else."""

import contextlib
import http.client
import select
import socket
import time

import pytest

from service import running

READ_TIMEOUT = 1.0
SLACK = 3.0
GET = b"GET /health HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def strict():
    """A service that waits one second for a request."""
    with running(HTTP_READ_TIMEOUT="1s") as created:
        yield created


@contextlib.contextmanager
def connected(service):
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield s


def read_all(s, deadline=15):
    """Everything until the peer closes; fails when it does not."""
    data = b""
    end = time.monotonic() + deadline
    while True:
        s.settimeout(max(0.01, end - time.monotonic()))
        try:
            part = s.recv(65536)
        except ConnectionResetError:
            return data
        except socket.timeout:
            raise AssertionError(f"not closed within {deadline} s; got {data[:300]!r}") from None
        if not part:
            return data
        data += part


def status(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None


def exchange(service, request, deadline=15):
    with connected(service) as s:
        s.sendall(request)
        return read_all(s, deadline)


def assert_quick(service):
    started = time.monotonic()
    assert service.get("/health").status == 200
    assert time.monotonic() - started < 0.5


def drip(s, seconds, data=b"x"):
    """Sends one byte every 100 ms until the peer closes; returns after how many seconds it did."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        readable, _, _ = select.select([s], [], [], 0.1)
        try:
            if readable and not s.recv(65536):
                return time.monotonic() - started
            s.sendall(data)
        except (ConnectionResetError, BrokenPipeError):
            return time.monotonic() - started
    raise AssertionError(f"still open after {seconds} s of dripping")


def test_slowHeader_isClosedByTheReadDeadline(strict):
    with connected(strict) as s:
        s.sendall(GET + b"X-Slow: ")
        assert drip(s, READ_TIMEOUT + SLACK) >= READ_TIMEOUT * 0.8


def test_slowBody_isClosedByTheReadDeadline(strict):
    with connected(strict) as s:
        s.sendall(b"POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  b"Content-Length: 100000\r\n\r\n{")
        assert drip(s, READ_TIMEOUT + SLACK, b" ") >= READ_TIMEOUT * 0.8


def test_silentConnection_isClosedByTheReadDeadline(strict):
    with connected(strict) as s:
        read_all(s, READ_TIMEOUT + SLACK)


def test_manySlowClients_doNotSlowOthers(strict):
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connected(strict)) for _ in range(200)]
        for s in slow:
            s.sendall(GET)
        for _ in range(10):
            assert_quick(strict)
        for s in slow:
            read_all(s, READ_TIMEOUT + SLACK)
    assert_quick(strict)


BODY = b'{"language": "python", "code": "1"}'


@pytest.mark.parametrize("request_bytes", [
    b"POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 35\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 35\r\nContent-Length: 3\r\n\r\n" + BODY,
    b"POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: -1\r\n\r\n" + BODY,
    b"POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 99999999999999999999999\r\n\r\n" + BODY,
    b"POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    GET + b"Broken header\r\n\r\n",
    GET + b"X-A : space before the colon\r\n\r\n",
    b"GET /health\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting\r\n\r\n",
    b"GET /hea lth HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /health HTTP/9.9\r\nHost: x\r\n\r\n",
], ids=["length_and_chunked", "two_lengths", "negative_length", "huge_length", "chunked_identity",
        "bad_chunk", "no_colon", "space_before_colon", "http09", "tls", "space_in_target",
        "http99"])
def test_ambiguousRequest_isRefusedAndClosed(strict, request_bytes):
    # The bytes behind the bad request must never be taken for a request of their own.
    answer = exchange(strict, request_bytes + GET + b"X-Smuggled: yes\r\n\r\n")
    assert status(answer) in (400, 413, 501, None), answer[:300]
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert b" 200 " not in answer
    assert b" 202 " not in answer
    assert_quick(strict)


def test_endlessChunkedBody_isStoppedAtTheCap(service):
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    sent, answer = 0, b""
    with connected(service) as s:
        s.sendall(b"POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            while sent < 64 << 20 and not select.select([s], [], [], 0)[0]:
                s.sendall(chunk)
                sent += len(chunk)
        except (ConnectionResetError, BrokenPipeError):
            pass
        assert sent < 64 << 20, "64 MiB were taken"
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            answer = read_all(s)
    assert status(answer) == 413, answer[:300]
    assert_quick(service)


def test_headerLineOfAMegabyte_isRefused(strict):
    with connected(strict) as s:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            s.sendall(GET + b"X-Long: " + b"a" * (1 << 20))
        answer = read_all(s)
    assert status(answer) == 431, answer[:300]
    assert_quick(strict)


def test_tenThousandHeaders_areRefused(strict):
    with connected(strict) as s:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            s.sendall(GET + b"".join(b"A%d: b\r\n" % i for i in range(10_000)) + b"\r\n")
        answer = read_all(s)
    assert status(answer) == 431, answer[:300]


def test_targetOfAMegabyte_isRefused(strict):
    with connected(strict) as s:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            s.sendall(b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = read_all(s)
    assert status(answer) in (400, 414, 431, None), answer[:300]


def test_pipelinedRequests_areAnsweredInOrder(strict):
    answer = exchange(
        strict,
        GET + b"X-Request-Id: one\r\n\r\n"
        + b"GET /nothing HTTP/1.1\r\nHost: x\r\nX-Request-Id: two\r\n\r\n"
        + GET + b"X-Request-Id: three\r\nConnection: close\r\n\r\n")
    lowered = answer.lower()
    positions = [lowered.find(b"x-request-id: " + name) for name in (b"one", b"two", b"three")]
    assert -1 not in positions
    assert positions == sorted(positions)
    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [200, 404, 200]


def test_keptConnection_servesManyRequests(strict):
    connection = http.client.HTTPConnection("127.0.0.1", strict.port, timeout=10)
    connection.connect()
    used = connection.sock
    for _ in range(50):
        connection.request("GET", "/health")
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()
        assert connection.sock is used
    connection.close()


def test_head_answersTheHeaderAlone(strict):
    answer = exchange(strict, b"HEAD /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert status(answer) == 200
    assert body == b""
    assert b"content-length:" in head.lower()


def test_http10_isAnsweredAndClosed(strict):
    answer = exchange(strict, b"GET /health HTTP/1.0\r\n\r\n")
    assert answer.split(b" ")[1] == b"200"


def test_expectContinue_isHonoured(strict):
    with connected(strict) as s:
        s.sendall(b"POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                  % len(BODY))
        first = s.recv(65536)
        assert status(first) == 100
        s.sendall(BODY)
        assert status(read_all(s)) == 202


def test_clientThatLeavesWhileWaiting_costsNothing(strict):
    job = strict.submit("import time; time.sleep(1.5); print('still run')")
    for _ in range(50):
        with connected(strict) as s:
            s.sendall(f"GET /v1/execute/{job}?wait=30s HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert_quick(strict)
    assert strict.wait(job)["result"]["stdout"] == "still run\n"


def test_wait_outlastsTheReadDeadline(strict):
    job = strict.submit("import time; time.sleep(2); print('end')")
    assert strict.get(f"/v1/execute/{job}?wait=20s").json["status"] == "completed"
