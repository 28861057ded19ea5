"""Clients that make the service keep much in memory: it is bounded, and others are served."""

import contextlib
import http.client
import json
import select
import socket

import pytest

from service import running

LARGE = "import os\nfor fd in (1, 2):\n    left = 1 << 20\n    while left:\n        left -= os.write(fd, b'\\0' * left)\n"
CLIENTS = 120
BOUND_KIB = 1 << 20  # 1 GiB: the bound of half of that, what is made on the way, and the rest of the service


@pytest.fixture(scope="module")
def service():
    with running(HTTP_WRITE_TIMEOUT="30s", HTTP_READ_TIMEOUT="30s") as created:
        yield created


def connect(service):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(60)
    s.connect(("127.0.0.1", service.port))
    return s


def rss_kib(service):
    with open(f"/proc/{service.process.pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def from_elsewhere(service, target):
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60,
                                            source_address=("127.0.0.2", 0))
    connection.request("GET", target)
    answer = connection.getresponse()
    return answer.status, answer.read()


def assert_others_areServed(service, job):
    assert service.get("/health").status == 200
    assert service.run("print('small')")["stdout"] == "small\n"
    status, body = from_elsewhere(service, f"/v1/execute/{job}")
    assert status == 200
    assert json.loads(body)["result"]["stdout"] == "\0" * (1 << 20)


def close_all(sockets):
    for s in sockets:
        s.close()


def test_readersOfLargeAnswersThatStall_areBounded(service):
    job = service.submit(LARGE)
    service.wait(job)
    stalled = [connect(service) for _ in range(CLIENTS)]
    for s in stalled:
        s.sendall(f"GET /v1/execute/{job} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answers = [s.recv(16) for s in stalled]
    served, refused = (sum(f" {status} ".encode() in a for a in answers) for status in (200, 503))
    assert served + refused == CLIENTS
    assert served >= 10 and refused >= 10, (served, refused)
    assert rss_kib(service) < BOUND_KIB
    assert_others_areServed(service, job)
    close_all(stalled)


def test_readersOfEndedStreamsThatStall_areBounded(service):
    job = service.submit(LARGE, stdin="x" * (8 << 20))
    service.wait(job)
    stalled = [connect(service) for _ in range(CLIENTS)]
    for s in stalled:
        s.sendall(f"GET /v1/execute/{job}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert all(b" 200 " in s.recv(16) for s in stalled)
    assert rss_kib(service) < BOUND_KIB
    assert_others_areServed(service, job)
    close_all(stalled)


def test_largeBodiesThatStall_areBounded(service):
    job = service.submit(LARGE)
    service.wait(job)
    size = 24 << 20
    part = b" " * (1 << 20)
    stalled = [connect(service) for _ in range(40)]
    for s in stalled:
        s.sendall(b"POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  b"Content-Length: %d\r\n\r\n" % size)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(23):
                s.sendall(part)
    assert rss_kib(service) < BOUND_KIB
    answered, _, _ = select.select(stalled, [], [], 0)
    assert 10 <= len(answered) <= 35, len(answered)
    assert all(b" 503 " in s.recv(16) for s in answered)
    assert_others_areServed(service, job)
    close_all(stalled)
