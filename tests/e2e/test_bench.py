"""The benchmark's own parts: the report of a run, the clients of peers, the load client.

Peers are not installed here: small servers stand in for them, which check that the requests have the
documented form and answer as documented. So these are tests of our clients, not of the peers.
"""

import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading

import pytest

from contract import REPOSITORY

sys.path.append(str(REPOSITORY / "bench"))

import floors
import goals
import peers
import processor
import report
from harness import Sources

PERFORMANCE = REPOSITORY / "docs" / "performance.md"


def numbers():
    return json.loads(PERFORMANCE.with_suffix(".json").read_text())


# The report

@pytest.mark.parametrize("name", report.DOCUMENTS)
def test_performance_isWrittenFromTheNumbersBesideIt(name):
    text = PERFORMANCE.read_text()
    assert report.replace(text, report.DOCUMENTS[name](numbers()[name]), name) == text


def test_report_saysWhereWhenAndHow():
    about = numbers()["bench"]["about"]
    text = report.document(numbers()["bench"])
    for word in (about["date"], about["commit"], about["command"], about["cpu"], about["kernel"]):
        assert word in text


def test_report_saysWhatAJobCannotCostLessThan(tmp_path):
    found = floors.measure(tmp_path, [], 5)
    assert 0 < found["write_ms"] and 0 < found["new_file_ms"]
    assert list(tmp_path.iterdir()) == []
    found["go"] = [{"case": "Go hello", "compile": 10.0, "link": 40.0, "bare": 100.0}]
    text = report.section("floors", {"floors": found})
    assert "| Go hello | 10.00 | 40.00 | 100.0 | 0.50 |" in text
    assert ("network, besides" in text) == (found["namespaces"] is not None)


def test_write_replacesNothingButWhatIsBetweenItsMarks(tmp_path):
    document = tmp_path / "x.md"
    begin, end = report.BEGIN.format(name="bench"), report.END.format(name="bench")
    document.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    report.write(document, numbers()["bench"])
    first = document.read_text()
    assert first.startswith(f"before\n{begin}\n") and first.endswith(f"{end}\nafter\n")
    assert "old" not in first and "Goals." in first
    assert json.loads((tmp_path / "x.json").read_text()) == {"bench": numbers()["bench"]}
    report.write(document, numbers()["bench"])
    assert document.read_text() == first


@pytest.mark.parametrize("text", ["", "{end}\n{begin}", "{begin}\n{begin}\n{end}"])
def test_write_refusesADocumentWithoutItsMarks(tmp_path, text):
    document = tmp_path / "x.md"
    document.write_text(text.format(begin=report.BEGIN, end=report.END).format(name="bench"))
    before = document.read_text()
    with pytest.raises(ValueError, match="once each"):
        report.write(document, numbers()["bench"])
    assert document.read_text() == before
    assert not (tmp_path / "x.json").exists()


def test_goals_areReachedAtTheirBoundAndMissedBeyond():
    at_most = goals.Goal("a", "b", goals.AT_MOST, 0.15, " x", lambda n: n["x"])
    at_least = goals.Goal("a", "b", goals.AT_LEAST, 4.5, " x", lambda n: n["x"])
    for goal, value, reached in [(at_most, 0.15, True), (at_most, 0.16, False),
                                 (at_least, 4.5, True), (at_least, 4.4, False),
                                 (at_most, None, None)]:
        assert goals.Outcome(goal, value).reached is reached


def test_goals_thatWereNotMeasuredSaySo():
    found = goals.outcomes({"latency": {}, "throughput": []})
    assert len(found) == len(goals.GOALS)
    assert {outcome.reached for outcome in found} == {None}
    assert report.summary({"latency": {}}).count("not measured") == len(goals.GOALS)


# The processor's time

BURN = """
import os, sys, time

def burn(milliseconds):
    while time.process_time() < milliseconds / 1000:
        pass

for ends in (True, False):
    if not (child := os.fork()):
        burn(150)
        if not ends:
            print("burnt", flush=True)
            sys.stdin.read()
        os._exit(0)
    if ends:
        os.waitpid(child, 0)
sys.stdin.read()
"""


def test_processor_timeOfChildrenIsThatOfTheEndedAndOfTheLiving():
    machine = processor.of_machine()
    with subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "burnt\n"
        ended, of_all = processor.of_ended(parent.pid), processor.of_children(parent.pid)
        machine = processor.of_machine() - machine
        parent.stdin.close()
    assert 140 <= ended < 250  # ticks are of 10 ms
    assert 140 <= of_all - ended < 250
    assert machine >= 200  # it is counted by the tick that finds a processor busy


def test_processor_saysSoWhenTheKernelDoesNotTell(tmp_path, monkeypatch):
    task = tmp_path / str(os.getpid()) / "task" / str(os.getpid())
    monkeypatch.setattr(processor, "PROC", tmp_path)
    with pytest.raises(processor.Unknown, match="task cannot be read"):
        processor.of_service(os.getpid())
    task.mkdir(parents=True)
    for name, text in (("comm", "sandboxd\n"), ("schedstat", "0 0 0\n")):
        (task / name).write_text(text)
    with pytest.raises(processor.Unknown, match="schedstat says nothing"):
        processor.of_service(os.getpid())


def processor_row(parts):
    return {"case": "Python hello", "clients": 16, "done": 100, "ms": {"machine": 8.0, **parts},
            "bare_ms": 20.0, "bound": 250.0, "per_second": 225.0}


def test_report_ofTheProcessorsTimeHasPartsAndBound():
    row = processor_row({name: float(n) for n, name in enumerate(report.PARTS, 1)} | {"rest": 3.0})
    text = report.section("processor", {"processor": {"rows": [row], "unknown": None}})
    parts = " | ".join(f"{n}.00" for n in [*range(1, len(report.PARTS)), 3])
    assert f"| Python hello | 16 | 8.00 | {parts} | 20.00 |" in text
    assert "| Python hello | 250.0 | 400.0 | 225.0 | 0.90 |" in text
    assert "not known" not in text


def test_report_ofTheProcessorsTimeSaysWhatIsMissing():
    found = {"rows": [processor_row({"client": 0.1})], "unknown": "schedstat says nothing"}
    text = report.section("processor", {"processor": found})
    assert "What belongs to which process is not known: schedstat says nothing." in text
    assert "| 16 | 8.00 |  |  |" in text
    assert "| Python hello | 250.0 |  | 225.0 | 0.90 |" in text


# Peers

@contextlib.contextmanager
def peer_server(answer, chunked=False):
    """Serves `answer(method, path, members)` -> (status, members); collects what went wrong."""
    problems = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def serve(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                if body:
                    assert self.headers["Content-Type"] == "application/json"
                status, members = answer(self.command, self.path, json.loads(body or "null"))
            except Exception as error:
                problems.append(error)
                status, members = 500, {"message": str(error)}
            data = json.dumps(members).encode()
            self.send_response(status)
            if chunked:
                self.send_header("Transfer-Encoding", "chunked")
                data = b"".join(b"%x\r\n%s\r\n" % (len(part), part)
                                for part in (data[:3], data[3:]) if part) + b"0\r\n\r\n"
            else:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = serve

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert problems == []


def only(members, *names):
    """Unknown members would be refused or ignored by the peer."""
    assert set(members) <= set(names), members


def hello_of(source):
    return source.split('hello ')[1].split('"')[0]


class GoJudge:
    """As its README has it."""

    def __init__(self):
        self.files = {}

    def __call__(self, method, path, members):
        if method == "DELETE":
            del self.files[path.removeprefix("/file/")]
            return 200, None
        assert (method, path) == ("POST", "/run")
        only(members, "cmd")
        (command,) = members["cmd"]
        only(command, "args", "env", "files", "cpuLimit", "clockLimit", "memoryLimit", "procLimit",
             "copyIn", "copyOutCached")
        stdin, stdout, stderr = command["files"]
        assert stdin == {"content": ""}
        assert (stdout["name"], stderr["name"]) == ("stdout", "stderr")
        assert 0 < stdout["max"] and 10**9 <= command["cpuLimit"] <= command["clockLimit"]
        assert command["memoryLimit"] >= 1 << 26 and command["procLimit"] > 0
        result = {"status": "Accepted", "exitStatus": 0, "time": 1, "memory": 1, "runTime": 1,
                  "files": {"stdout": "", "stderr": ""}}
        (name, file), = command["copyIn"].items()
        if command["args"][0] == "/usr/bin/python3":
            assert command["args"][1] == name
            result["files"]["stdout"] = f"hello {hello_of(file['content'])}\n"
        elif command.get("copyOutCached"):
            assert command["args"][0] in ("/usr/bin/gcc", "/usr/bin/go") and name in command["args"]
            self.files["ABC"] = file["content"]
            result["fileIds"] = {command["copyOutCached"][0]: "ABC"}
        else:
            assert command["args"] == [name]
            result["files"]["stdout"] = f"hello {hello_of(self.files[file['fileId']])}\n"
        return 200, [result]


def piston(method, path, members):
    """As docs/api-v2.md has it."""
    assert (method, path) == ("POST", "/api/v2/execute")
    only(members, "language", "version", "files", "stdin", "args", "run_timeout", "compile_timeout")
    assert members["language"] in ("python", "c", "go") and members["version"] == "*"
    (file,) = members["files"]
    only(file, "name", "content", "encoding")
    output = f"hello {hello_of(file['content'])}\n"
    return 200, {"language": members["language"], "version": "1.0.0",
                 "run": {"stdout": output, "stderr": "", "output": output, "code": 0, "signal": None}}


def judge0(method, path, members):
    """As its documentation has it."""
    if path == "/languages":
        return 200, [{"id": 50, "name": "C (GCC 9.2.0)"}, {"id": 60, "name": "Go (1.13.5)"},
                     {"id": 70, "name": "Python (2.7.17)"}, {"id": 71, "name": "Python (3.8.1)"}]
    assert (method, path) == ("POST", "/submissions?base64_encoded=false&wait=true")
    only(members, "source_code", "language_id", "stdin")
    assert members["language_id"] in (50, 60, 71)
    return 201, {"stdout": f"hello {hello_of(members['source_code'])}\n", "stderr": None,
                 "compile_output": None, "token": "x",
                 "status": {"id": 3, "description": "Accepted"}}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("name,answer", [("go-judge", GoJudge()), ("piston", piston),
                                         ("judge0", judge0)])
def test_peer_isAskedInItsOwnWay(name, answer, chunked):
    with peer_server(answer, chunked) as port:
        peer = peers.Peer.parse(f"{name}=http://127.0.0.1:{port}")
        client = peer.connect()
        peer.prepare(client)
        for _, language, template in peers.CASES:
            peer.check(client, language, *Sources().take(template))
        client.close()


@pytest.mark.parametrize("name,answer", [
    ("go-judge", [{"status": "Nonzero Exit Status", "exitStatus": 1, "files": {"stdout": ""}}]),
    ("piston", {"run": {"stdout": "", "stderr": "no", "code": 1, "signal": None}}),
    ("piston", {"run": {"stdout": "another", "stderr": "", "code": 0, "signal": None}}),
])
def test_peer_whoseJobFailsIsNoFigure(name, answer):
    with peer_server(lambda *_: (200, answer)) as port:
        peer = peers.Peer.parse(f"{name}=http://127.0.0.1:{port}")
        with pytest.raises(peers.PeerError):
            peer.check(peer.connect(), "python", 'print("hello 1")', "hello 1\n")


@pytest.mark.parametrize("text", ["docker=http://x", "go-judge", "piston=https://127.0.0.1:1",
                                  "piston=http://127.0.0.1:1/api"])
def test_peer_thatIsNoneIsRefused(text):
    with pytest.raises(ValueError):
        peers.Peer.parse(text)


def test_peers_areMeasuredInTurnsWithTheService(service):
    with peer_server(piston) as port:
        found = [peers.Peer.parse(f"piston=http://127.0.0.1:{port}")]
        rows = peers.measure(service.port, found, Sources(), 1, 0.2)
    assert [row["case"] for row in rows] == [case for case, _, _ in peers.CASES]
    assert all(row["ours"]["p50"] > 0 and row["theirs_per_second"] > 0 for row in rows)
    assert "| Python hello | piston |" in report.section("peers", {"peers": rows})


# The load client

@pytest.fixture(scope="module")
def load(tmp_path_factory):
    program = tmp_path_factory.mktemp("load") / "load"
    subprocess.run(["g++", "-std=c++20", "-O1", "-o", program, REPOSITORY / "bench" / "load.cc"],
                   check=True)

    def run(mode, port, stdin="", **options):
        argv = [program, mode, "--port", str(port)]
        for name, value in options.items():
            argv += [f"--{name}", str(value)]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=60,
                              check=True)
        return json.loads(done.stdout.splitlines()[-1])

    return run


HELLO = json.dumps({"language": "python", "code": 'print("hello {n}")', "wait": "30s"})


def test_load_countsWhatIsDoneAndWhatFails(load, service):
    asked = {"request": "POST /v1/execute", "body": HELLO}
    found = load("closed", service.port, connections=3, seconds=1, expect='"stdout":"hello ', **asked)
    assert found["completed"] > 0 and found["failures"] == 0
    assert found["statuses"] == {"200": found["completed"]}
    assert 0 < found["milliseconds"]["min"] <= found["milliseconds"]["p50"] < 60_000
    found = load("burst", service.port, connections=5, expect='"stdout":"hello ', **asked)
    assert (found["completed"], found["failures"]) == (5, 0)
    found = load("burst", service.port, connections=3, gap=-1, expect="nothing like it", **asked)
    assert (found["completed"], found["failures"]) == (0, 3)
    found = load("burst", service.port, connections=2, gap=0.1, status=202, **asked)
    assert (found["completed"], found["failures"]) == (0, 2)
    assert found["seconds"] >= 0.1


def test_load_measuresWaitsFromTheEndOfTheJob(load, service):
    job = service.submit("import time; time.sleep(0.5)", timeout="10s")
    paths = f"/v1/execute/{job}?wait=30s\n" * 20
    found = load("waits", service.port, stdin=paths + "/v1/execute/nothing?wait=1s\n")
    assert (found["completed"], found["failures"]) == (20, 1)
    assert 0 < found["milliseconds"]["p100"] < 30_000


def test_load_readsStreamsToTheirEnd(load, service):
    job = service.submit("import time; time.sleep(0.5); print('x' * 100_000)", timeout="10s")
    found = load("streams", service.port, connections=10,
                 request=f"GET /v1/execute/{job}/events")
    assert (found["completed"], found["failures"]) == (10, 0)
    assert found["bytes"] > 10 * 200_000  # the output as it came, and the result
