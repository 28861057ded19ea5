"""GET /v1/interactive: a client feeds a program while it runs."""

import contextlib
import json
import os
import time

import pytest
import websocket

from interactive import Session, frame, handshake
from keys import Caller, keys_file
from service import eventually

REPL = """
name = input("name? ")
while True:
    try:
        number = input(f"{name}> ")
    except EOFError:
        break
    print(int(number) ** 2)
print("bye")
"""
ECHO = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.flush()"
READY = "print('ready', flush=True)\n"
SLEEPS = READY + "import time\ntime.sleep(300)"


def answer(connection):
    """Status and body of an HTTP answer that is no upgrade."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(4096)
        assert more, data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    while len(body) < int(fields.get("Content-Length", "0")):
        body += connection.recv(4096)
    return int(head.split()[1]), {name.lower(): value for name, value in fields.items()}, body


def close_code(connection):
    """Of the close frame that the server sends next, after whatever else it has said."""
    with connection.makefile("rb") as file:
        while True:
            first, size = file.read(2)
            assert size < 0x80, "a server does not mask"
            if size == 126:
                size = int.from_bytes(file.read(2), "big")
            elif size == 127:
                size = int.from_bytes(file.read(8), "big")
            payload = file.read(size)
            if first & 0xF == 8:
                return int.from_bytes(payload[:2], "big")


def open_raw(service, **changes):
    """A connection after its handshake, for frames made by hand."""
    connection = handshake(service, **changes)
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(1)
    assert data.startswith(b"HTTP/1.1 101 "), data
    return connection


def final(service, job_id):
    return service.wait(job_id, deadline=30)


def test_interactive_replAsksAndIsAnsweredLineByLine(service):
    with Session(service, REPL) as session:
        session.until_output(b"name? ")  # a prompt ends with no newline
        session.stdin("ada\n")
        session.until_output(b"ada> ")
        for number in (7, 12):
            session.stdin(f"{number}\n".encode())
            session.until_output(f"{number ** 2}\nada> ".encode())
        session.eof()
        job = session.result()
    assert job["status"] == "completed"
    assert job["result"]["verdict"] == "ok"
    assert job["result"]["stdout"] == "name? ada> 49\nada> 144\nada> bye\n"
    kinds = [message["type"] for message in session.messages]
    assert kinds[0] == "status" and kinds[-1] == "result" and kinds.count("result") == 1


def test_interactive_jobIsAJobLikeOthers(service):
    with Session(service, REPL) as session:
        job_id = session.job_id()
        assert service.job(job_id)["status"] == "running"
        running = service.get("/v1/execute?status=running").json["jobs"]
        assert job_id in [job["id"] for job in running]
        session.stdin("x\n")
        session.eof()
        assert session.result() == service.job(job_id)


def test_interactive_stdinOfTheSubmissionComesFirst(service):
    with Session(service, ECHO, stdin="first\n") as session:
        session.until_output(b"first\n")
        session.stdin("second\n")
        session.eof()
        assert session.result()["result"]["stdout"] == "first\nsecond\n"


def test_interactive_bytesOfAnyKindPassBothWays(service):
    every = bytes(range(256))
    with Session(service, "import sys, shutil\nshutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)") as session:
        session.stdin(every)
        session.send({"type": "stdin", "data": "AP8=", "encoding": "base64"})
        session.send({"type": "stdin", "data": "ä\u0000"})
        session.eof()
        session.result()
    assert session.output() == every + b"\x00\xff" + "ä\u0000".encode()


def test_interactive_streamsAreSeparate(service):
    with Session(service, "import sys\nprint('o', flush=True); print('e', file=sys.stderr)") as session:
        session.result()
    assert (session.output(), session.output("stderr")) == (b"o\n", b"e\n")


def test_interactive_compiledProgram(service):
    code = """
    #include <stdio.h>
    int main(void) { int n; while (scanf("%d", &n) == 1) { printf("%d\\n", n + 1); fflush(stdout); } }
    """
    with Session(service, code, language="c") as session:
        session.stdin("1\n")  # waits until it is compiled
        session.until_output(b"2\n")
        session.stdin("41\n")
        session.until_output(b"42\n")
        session.eof()
        job = session.result()
    assert job["result"]["verdict"] == "ok"
    assert "compile" in job["result"]


def test_interactive_compileErrorIsTheResult(service):
    with Session(service, "int main(void) { return x; }", language="c") as session:
        session.stdin("nobody reads this\n")
        assert session.result()["result"]["verdict"] == "compile_error"


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP", "USR1", "QUIT", "WINCH"])
def test_interactive_signalsReachTheProgram(service, name):
    code = f"""
import os, signal, time
signal.signal(signal.SIG{name}, lambda *_: (os.write(1, b"got\\n"), os._exit(3)))
{READY}
while True: time.sleep(0.05)  # pause() would miss a signal that comes right before it
"""
    with Session(service, code) as session:
        session.until_output(b"ready\n")
        session.signal(name)
        result = session.result()["result"]
    assert result["stdout"] == "ready\ngot\n"
    assert result["exit_code"] == 3


def test_interactive_killIsASignalToo(service):
    with Session(service, SLEEPS) as session:
        session.until_output(b"ready\n")
        session.signal("KILL")
        result = session.result()["result"]
    assert (result["verdict"], result["signal"]) == ("signalled", 9)


def test_interactive_signalReachesTheWholeGroup(service):
    code = """
import os, signal, sys, time
read, write = os.pipe()
if os.fork() == 0:
    signal.signal(signal.SIGINT, lambda *_: (os.write(write, b"child"), os._exit(0)))
    os.write(write, b"up")
    time.sleep(300)
signal.signal(signal.SIGINT, lambda *_: None)
assert os.read(read, 2) == b"up"
print("ready", flush=True)
print(os.read(read, 5).decode())
"""
    with Session(service, code) as session:
        session.until_output(b"ready\n")
        session.signal("INT")
        assert session.result()["result"]["stdout"] == "ready\nchild\n"


def test_interactive_signalPassesInputThatNobodyReads(service):
    with Session(service, SLEEPS) as session:
        session.until_output(b"ready\n")
        for _ in range(3):
            session.stdin(b"x" * 60_000)  # more than a pipe takes
        session.signal("TERM")
        assert session.result()["result"]["signal"] == 15


def test_interactive_inputIsHeldBackForAProgramThatDoesNotRead(service):
    """The client is held up, nothing piles up, and all of it comes in the end."""
    code = f"""{READY}
import sys, time
time.sleep(1)
print(len(sys.stdin.buffer.read()))
"""
    pieces, size = 100, 50_000
    with Session(service, code) as session:
        session.until_output(b"ready\n")
        for _ in range(pieces):
            session.stdin(b"y" * size)
        session.eof()
        assert session.result()["result"]["stdout"] == f"ready\n{pieces * size}\n"


def test_interactive_inputForAProgramThatHasClosedItIsDropped(service):
    code = "import os, time\nos.close(0)\nprint('closed', flush=True)\ntime.sleep(0.5)"
    with Session(service, code) as session:
        session.until_output(b"closed\n")
        for _ in range(20):
            session.stdin(b"z" * 60_000)
        assert session.result()["result"]["verdict"] == "ok"


def test_interactive_streamsCanBeOpenedByName(service):
    code = "print(open('/dev/stdin').readline().strip(), file=open('/dev/stdout', 'w'))"
    with Session(service, code) as session:
        session.stdin("by name\n")
        assert session.result()["result"]["stdout"] == "by name\n"


def test_interactive_limitsHold(start_service):
    service = start_service(SANDBOX_SESSION_TIMEOUT="1s")
    with Session(service, "input()") as session:
        assert session.result()["result"]["verdict"] == "time_limit"
    with Session(service, "while True: pass", limits={"cpu_time": "200ms"}) as session:
        assert session.result()["result"]["verdict"] == "cpu_time_limit"
    with Session(service, "while True: print('x' * 1000)", limits={"output_bytes": 10_000}) as session:
        result = session.result()["result"]
        assert result["verdict"] == "output_limit"
    assert session.output() == result["stdout"].encode()
    with Session(service, "x = bytearray(1 << 28)", limits={"memory_bytes": 32 << 20}) as session:
        assert session.result()["result"]["verdict"] in ("memory_limit", "nonzero_exit")


@pytest.mark.parametrize("end", ["close", "vanish"])
def test_interactive_withItsClientTheJobIsOver(service, end):
    with Session(service, SLEEPS) as session:
        session.until_output(b"ready\n")
        getattr(session, end)()
        job = final(service, session.job_id())
    assert job["status"] == "cancelled"


def test_interactive_canBeCancelledByItsId(service):
    with Session(service, SLEEPS) as session:
        session.until_output(b"ready\n")
        assert service.request("DELETE", f"/v1/execute/{session.job_id()}").status == 200
        last = session.until_closed()
    assert last["type"] == "result"
    assert last["data"]["status"] == "cancelled"


def test_interactive_idleSessionIsEnded(start_service):
    service = start_service(HTTP_SESSION_IDLE="1s")
    with Session(service, SLEEPS) as session:
        last = session.until_closed()
        assert last["type"] == "error" and last["data"]["status"] == 408
        assert session.close_code == 1008
        assert final(service, session.job_id())["status"] == "cancelled"


def test_interactive_talkKeepsASessionOpen(start_service):
    service = start_service(HTTP_SESSION_IDLE="2s")
    with Session(service, ECHO) as session:
        for i in range(8):
            session.stdin(f"{i}\n")
            session.until_output(f"{i}\n".encode())
            time.sleep(0.5)
        session.eof()
        assert session.result()["status"] == "completed"


def test_interactive_submissionMustComeInTime(start_service):
    service = start_service(HTTP_READ_TIMEOUT="500ms")
    with Session(service) as session:
        last = session.until_closed()
    assert (last["type"], last["data"]["status"], session.close_code) == ("error", 408, 1008)


@pytest.mark.parametrize("message, status, field", [
    ("{", 400, None),
    ("[]", 422, None),
    ({}, 422, "language"),
    ({"language": "python"}, 422, "code"),
    ({"language": "cobol", "code": ""}, 422, "language"),
    ({"language": "python", "code": "", "tests": []}, 422, "tests"),
    ({"language": "python", "code": "", "wait": "1s"}, 422, "wait"),
    ({"language": "python", "code": "", "priority": 1}, 422, "priority"),
    ({"language": "python", "code": "", "timeout": "48h"}, 422, "timeout"),
])
def test_interactive_wrongSubmissionIsRefused(service, message, status, field):
    with Session(service) as session:
        session.send(message)
        last = session.until_closed()
    assert len(session.messages) == 1
    assert last["type"] == "error"
    assert last["data"]["status"] == status
    assert field is None or field in [error["field"] for error in last["data"]["errors"]]
    assert session.close_code == 1008


@pytest.mark.parametrize("message, status, field", [
    ("nonsense", 400, None),
    ({"type": "stdout"}, 422, "type"),
    ({"data": "x"}, 422, "type"),
    ({"type": "stdin"}, 422, "data"),
    ({"type": "stdin", "data": "%%", "encoding": "base64"}, 422, "data"),
    ({"type": "eof", "data": ""}, 422, "data"),
    ({"type": "signal", "signal": "SEGV"}, 422, "signal"),
    ({"type": "signal", "signal": 9}, 422, "signal"),
    ({"type": "signal", "signal": "INT", "pid": 1}, 422, "pid"),
])
def test_interactive_wrongMessageEndsTheSession(service, message, status, field):
    with Session(service, SLEEPS) as session:
        session.until_output(b"ready\n")
        session.send(message)
        last = session.until_closed()
        assert last["type"] == "error"
        assert last["data"]["status"] == status
        assert field is None or field in [error["field"] for error in last["data"]["errors"]]
        assert session.close_code == 1008
        assert final(service, session.job_id())["status"] == "cancelled"


def test_interactive_submissionMustBeText(service):
    with Session(service) as session:
        session.stdin(b"\x00")
        assert session.until_closed()["data"]["status"] == 400
    assert session.close_code == 1003


# The handshake.

@pytest.mark.parametrize("changes, status", [
    ({"Upgrade": None}, 426),
    ({"Connection": None}, 426),
    ({"Sec_WebSocket_Version": "12"}, 426),
    ({"Sec_WebSocket_Key": None}, 400),
    ({"Sec_WebSocket_Key": "c2hvcnQ="}, 400),
    ({"Origin": "https://example.org"}, 403),
    ({"Origin": "null"}, 403),
])
def test_interactive_wrongHandshakeIsRefused(service, changes, status):
    with handshake(service, **changes) as connection:
        got, fields, body = answer(connection)
    assert got == status
    assert json.loads(body)["status"] == status
    assert status != 426 or (fields["upgrade"], fields["sec-websocket-version"]) == ("websocket", "13")


def test_interactive_plainGetIsToldToUpgrade(service):
    assert service.get("/v1/interactive").status == 426
    assert service.request("HEAD", "/v1/interactive").status == 426
    assert service.request("POST", "/v1/interactive", body={}).status == 405


def test_interactive_ownPagesAndThoseNamedMayUseIt(start_service):
    service = start_service(HTTP_CORS_ORIGINS="https://example.org")
    for origin in ("https://example.org", f"http://127.0.0.1:{service.port}"):
        open_raw(service, Origin=origin).close()
    with handshake(service, Origin="https://example.org.evil") as connection:
        assert answer(connection)[0] == 403


def test_interactive_sessionsAreBounded(start_service):
    service = start_service(SANDBOX_SESSIONS="4")
    sessions = [Session(service, SLEEPS) for _ in range(3)]
    for session in sessions:
        session.until_output(b"ready\n")
    with handshake(service) as connection:
        got, fields, body = answer(connection)
    assert got == 429 and "retry-after" in fields, body
    # None of the queue's slots is taken.
    assert service.run("print(1)")["stdout"] == "1\n"
    sessions[0].vanish()

    def admitted():
        try:
            return Session(service, SLEEPS)
        except websocket.WebSocketBadStatusException:
            return None

    sessions[0] = eventually(admitted, what="a place that has become free")
    sessions[0].until_output(b"ready\n")
    for session in sessions:
        session.vanish()


def test_interactive_noneWhereThereAreNone(start_service):
    service = start_service(SANDBOX_SESSIONS="0")
    with handshake(service) as connection:
        got, _, body = answer(connection)
    assert got == 501 and b"SANDBOX_SESSIONS" in body


# Keys.

def test_interactive_isForThoseWithAKey(start_service, tmp_path):
    keys = keys_file(tmp_path / "keys.json", owner={"max_running": 1, "max_timeout": "60s"}, other={},
                     slow={"rate": "1/h"})
    (tmp_path / "keys.json").chmod(0o644)
    service = start_service(HTTP_API_KEYS_FILE=str(tmp_path / "keys.json"))
    with handshake(service) as connection:
        assert answer(connection)[0] == 401

    def session(name, code=SLEEPS, **members):
        return Session(service, code, header=[f"Authorization: Bearer {keys[name]}"], **members)

    owner = Caller(service, keys["owner"])
    with session("owner") as first:
        first.until_output(b"ready\n")
        job_id = first.job_id()
        assert owner.job(job_id)["status"] == "running"
        assert Caller(service, keys["other"]).get(f"/v1/execute/{job_id}").status == 404
        with session("owner") as second:  # as many jobs run as may
            assert second.until_closed()["data"]["status"] == 429
            assert second.close_code == 1008
        with session("other", "print(1)") as third:
            assert third.result()["result"]["stdout"] == "1\n"
    assert owner.wait(job_id)["status"] == "cancelled"
    with session("owner", timeout="2m") as session_too_long:
        assert session_too_long.until_closed()["data"]["errors"][0]["field"] == "timeout"
    with session("slow", "print(1)") as within:
        assert within.result()["status"] == "completed"
    with session("slow", "print(1)") as beyond:
        assert beyond.until_closed()["data"]["status"] == 429


def test_interactive_endsWithItsKey(start_service, tmp_path):
    admin = keys_file(tmp_path / "keys.json", admin={"admin": True})["admin"]
    (tmp_path / "keys.json").chmod(0o644)
    service = start_service(HTTP_API_KEYS_FILE=str(tmp_path / "keys.json"))
    root = Caller(service, admin)
    made = root.request("POST", "/v1/keys", body={"name": "guest"}).json
    with Session(service, SLEEPS, header=[f"Authorization: Bearer {made['key']}"]) as session:
        session.until_output(b"ready\n")
        assert root.request("DELETE", f"/v1/keys/{made['id']}").status == 204
        assert session.until_closed()["data"]["status"] == 401
        assert session.close_code == 1008


# What attackers do.

def test_interactive_tooLargeMessageIsRefused(service):
    with Session(service, SLEEPS) as session:
        session.until_output(b"ready\n")
        with contextlib.suppress(ConnectionError):  # the server need not listen to its end
            session.stdin(b"x" * 65_537)
            session.until_closed()
        assert session.close_code in (1009, None)
        assert final(service, session.job_id())["status"] == "cancelled"


def test_interactive_sizeThatIsOnlyClaimedCostsNothing(service):
    with open_raw(service) as connection:
        connection.sendall(b"\x81\xff" + (1 << 60).to_bytes(8, "big") + bytes(4))
        assert close_code(connection) == 1009


@pytest.mark.parametrize("data, code", [
    (frame(1, b"{}", masked=False), 1002),            # a client must mask
    (frame(0, b"x"), 1002),                           # goes on with nothing
    (frame(3, b"x"), 1002),                           # an opcode that there is not
    (frame(9, b"x" * 126), 1002),                     # a ping may not be that long
    (frame(9, b"x", fin=False), 1002),                # nor in pieces
    (frame(1, b"\xff\xfe"), 1007),                    # not UTF-8
    (frame(1, b"{", fin=False) + frame(1, b"}"), 1002),  # a message within a message
])
def test_interactive_brokenFramesAreRefused(service, data, code):
    with open_raw(service) as connection:
        connection.sendall(data)
        assert close_code(connection) == code


def test_interactive_firstMessageInPiecesForeverIsEnded(start_service):
    service = start_service(HTTP_READ_TIMEOUT="1s")
    with open_raw(service) as connection:
        connection.sendall(frame(1, b"{", fin=False))
        connection.settimeout(0.05)
        begin = time.monotonic()
        with pytest.raises((ConnectionError, AssertionError)):
            while True:
                connection.sendall(frame(0, b"", fin=False))
                try:
                    assert b"\x88" not in connection.recv(4096), "closed"
                except TimeoutError:
                    pass
                assert time.monotonic() < begin + 20, "still open"
        assert time.monotonic() < begin + 15


def test_interactive_whatComesAfterCloseIsIgnored(service):
    with Session(service, SLEEPS) as session:
        session.until_output(b"ready\n")
        raw = session.socket.sock
        raw.sendall(frame(8, (1000).to_bytes(2, "big")) + frame(1, b'{"type":"eof"}') * 10)
        session.until_closed()
        assert session.close_code == 1000
        assert final(service, session.job_id())["status"] == "cancelled"


def test_interactive_bytesAheadOfTheAnswerAreRefused(service):
    connection = handshake(service, deadline=10, Sec_WebSocket_Protocol="x\r\n\r\n" + "y" * 10)
    with connection:
        assert answer(connection)[0] == 400


def test_interactive_floodOfPingsIsEnded(service):
    with Session(service, SLEEPS) as session:
        session.until_output(b"ready\n")
        raw = session.socket.sock
        begin = time.monotonic()
        raw.settimeout(20)
        pings = frame(9, b"") * 200
        with pytest.raises((ConnectionError, TimeoutError)):
            while time.monotonic() < begin + 30:
                raw.sendall(pings)
                raw.recv(65536)
                if final_status(service, session.job_id()) == "cancelled":
                    raise ConnectionError("ended")
        assert final(service, session.job_id())["status"] == "cancelled"


def final_status(service, job_id):
    return service.job(job_id)["status"]


def test_interactive_silentClientIsLetGo(service):
    """One that is there but answers no ping."""
    connection = open_raw(service)
    with connection:
        connection.sendall(frame(1, json.dumps({"language": "python", "code": SLEEPS}).encode()))
        data = b""
        while b"ready" not in data:
            data += connection.recv(4096)
        job_id = json.loads(data[data.index(b"{"):data.index(b"}}") + 2])["data"]["id"]
        assert service.wait(job_id, deadline=60)["status"] == "cancelled"


def test_interactive_stalledReaderIsLetGo(start_service):
    """One that takes no output, however much it says itself."""
    service = start_service(HTTP_WRITE_TIMEOUT="1s")
    code = "import sys\nwhile True: sys.stdout.write('x' * 4096)"
    with Session(service, code, limits={"output_bytes": 16 << 20}, timeout="5m") as session:
        job_id = session.job_id()

        def over():
            with_raw = session.socket.sock
            try:
                with_raw.sendall(frame(9, b""))
            except OSError:
                return True
            return False

        eventually(over, deadline=30, every=0.3, what="the end of the connection")
        assert final(service, job_id)["status"] in ("cancelled", "completed")


def test_interactive_slowReaderMissesNothing(service):
    code = "import sys\nfor i in range(20000): sys.stdout.write(f'{i:08d}' * 8)"
    with Session(service, code, limits={"output_bytes": 2 << 20}) as session:
        eventually(lambda: final_status(service, session.job_id()) == "completed")
        job = session.result()
    assert session.output() == job["result"]["stdout"].encode()
    assert len(session.output()) == 20000 * 64


def test_interactive_thousandConnectionsLeaveTheServiceUp(service):
    connections = []
    refused = 0
    try:
        for _ in range(1000):
            connections.append(handshake(service))
        for connection in connections:
            first = connection.recv(12)
            refused += first in (b"HTTP/1.1 429", b"HTTP/1.1 503")
            assert first[:9] == b"HTTP/1.1 "
        assert refused >= 900
        begin = time.monotonic()
        assert service.get("/health").status == 200
        assert time.monotonic() < begin + 1
        assert service.run("print(1)")["stdout"] == "1\n"
    finally:
        for connection in connections:
            connection.close()

    def works():
        try:
            with Session(service, "print(input())") as session:
                session.stdin("here\n")
                return session.result()["result"]["stdout"] == "here\n"
        except websocket.WebSocketBadStatusException:
            return False

    eventually(works, what="a place for a session")


# The service's own ends.

def test_interactive_stopEndsSessions(start_service):
    service = start_service(HTTP_SHUTDOWN_TIMEOUT="2s")
    with Session(service, SLEEPS) as session:
        session.until_output(b"ready\n")
        service.process.terminate()
        last = session.until_closed()
        assert service.process.wait(30) == 0
    assert (last["type"] == "result" and last["data"]["status"] == "failed") or \
        last["data"]["status"] == 503
    service.start()
    job = service.job(session.job_id())
    assert (job["status"], job["error"]) == ("failed", "The service was stopped.")


def test_interactive_killedServiceDoesNotRunTheJobAgain(start_service):
    service = start_service()
    with Session(service, SLEEPS) as session:
        session.until_output(b"ready\n")
        job_id = session.job_id()
        service.kill()
    service.start()
    job = final(service, job_id)
    assert job["status"] == "failed"
    assert "connection" in job["error"]


def test_interactive_nothingIsLeftOfManySessions(service):
    before = len(os.listdir(f"/proc/{service.process.pid}/fd"))
    for i in range(30):
        session = Session(service, SLEEPS if i % 2 else "input()")
        session.until(lambda message: message["type"] == "status")
        session.vanish()
        eventually(lambda: service.get("/health").json["running"] < 4, what="room for another session")
    eventually(lambda: len(os.listdir(f"/proc/{service.process.pid}/fd")) <= before + 2,
               what="all descriptors closed")
