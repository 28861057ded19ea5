"""Starts real sandboxd processes and talks to them."""

import base64
import contextlib
import gzip
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from contract import REPOSITORY, Contract
from modes import Mode

BUILD = pathlib.Path(os.environ.get("BUILD_DIR", REPOSITORY / "build")).resolve()
SANDBOXD = BUILD / "sandboxd"
CONTRACT = Contract()

# A first start fills the compilers' caches.
START_DEADLINE = 300
STOP_DEADLINE = 30


def eventually(condition, deadline=30, every=0.05, what="the condition"):
    """Returns the first true value of `condition()`; fails after `deadline` seconds."""
    end = time.monotonic() + deadline
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come true within {deadline} s"
        pause.wait(every)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def base_environment():
    """What every sandboxd of the tests gets: nothing of the caller's own configuration."""
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "HTTP_HOST": "127.0.0.1",
        "SANDBOX_LANGUAGE_DIR": str(REPOSITORY / "config" / "languages"),
        "SANDBOX_SECCOMP_DIR": str(REPOSITORY / "config" / "seccomp"),
        "SANDBOX_CACHE_DIR": os.environ.get("SANDBOX_CACHE_DIR", str(BUILD / "cache")),
    }
    for name in ("SANDBOX_ROOTFS", "SANDBOX_TIMEOUT", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
        if name in os.environ:
            environment[name] = os.environ[name]
    return environment


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.size = len(body)  # as it came
        self.decode(body)

    def decode(self, body):
        self.body = body
        try:
            self.json = json.loads(body)
        except ValueError:
            self.json = None  # the contract check says where JSON is due

    def fields(self):
        """Names of the fields that a problem complains about."""
        return [error["field"] for error in self.json.get("errors", [])]


class Client:
    """One connection a request, so that it may be used from many threads."""

    host = "127.0.0.1"

    def __init__(self, port):
        self.port = port

    def request(self, method, target, body=None, headers=None, timeout=90):
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        if body is not None and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            connection.request(method, target, body=body, headers=headers)
            answer = connection.getresponse()
            response = Response(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()
        if response.headers.get("content-encoding") == "gzip":
            response.decode(gzip.decompress(response.body))
        CONTRACT.check(method, target, response.status, response.headers, response.body,
                       response.json)
        return response

    def get(self, target, **options):
        return self.request("GET", target, **options)

    def post(self, body, **options):
        return self.request("POST", "/v1/execute", body=body, **options)

    def submit(self, code, language="python", **members):
        """Submits a job that must be accepted; returns its id."""
        response = self.post({"language": language, "code": code, **members})
        assert response.status == 202, response.body
        return response.json["id"]

    def job(self, job_id):
        response = self.get(f"/v1/execute/{job_id}")
        assert response.status == 200, response.body
        return response.json

    def wait(self, job_id, deadline=120):
        """The job once it has reached a final status."""
        end = time.monotonic() + deadline
        while True:
            response = self.get(f"/v1/execute/{job_id}?wait=10s")
            assert response.status == 200, response.body
            if response.json["status"] in ("completed", "failed", "cancelled"):
                return response.json
            assert time.monotonic() < end, f"job {job_id} has not ended: {response.body}"

    def run(self, code, language="python", **members):
        """Runs a job to its end; returns its result."""
        job = self.wait(self.submit(code, language, **members))
        assert job["status"] == "completed", job
        return job["result"]


def stream(result, name):
    """The raw bytes of "stdout" or "stderr"."""
    if result[f"{name}_encoding"] == "base64":
        return base64.b64decode(result[name], validate=True)
    return result[name].encode()


class Service(Client):
    """A running sandboxd with a state folder of its own, which survives restarts."""

    def __init__(self, mode=None, **environment):
        super().__init__(free_port())
        self.mode = mode or Mode()
        # Not pytest's tmp_path: that is closed to the user that sandboxd becomes.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="code-sandbox-test-"))
        self.folder.chmod(0o755)
        self.log_path = self.folder / "log"
        self.environment = base_environment()
        self.environment["STATE_DIR"] = str(self.folder / "state")
        self.environment.update(self.mode.environment(BUILD))
        self.environment.update(environment)
        self.process = None
        self.pass_fds = ()  # descriptors to let it inherit

    def start(self, **changes):
        self.launch(**changes)
        eventually(self._healthy, START_DEADLINE, what="GET /health")
        return self

    def launch(self, **changes):
        """Starts it without waiting until it is healthy."""
        self.environment.update(changes)
        self.environment["HTTP_PORT"] = str(self.port)
        self.mode.prepare(self.folder)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.mode.command(str(SANDBOXD)), env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
                preexec_fn=self.mode.enter, pass_fds=self.pass_fds)
        return self

    def _healthy(self):
        assert self.process.poll() is None, (
            f"sandboxd exited with {self.process.returncode} at start:\n{self.log()}")
        try:
            return self.get("/health").status == 200
        except (ConnectionError, http.client.HTTPException):
            return False

    def log(self, size=20_000):
        if not self.log_path.exists():
            return ""
        return self.log_path.read_bytes()[-size:].decode(errors="replace")

    def terminate(self, deadline=STOP_DEADLINE):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(deadline)

    def kill(self):
        """SIGKILL, as the kernel's OOM killer would."""
        self.process.kill()
        self.process.wait(STOP_DEADLINE)

    def launcher(self):
        """The pid of its sandbox-launcher; None when there is none."""
        for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                head, _, tail = status.read_text().rpartition(")")
                if head.endswith("(sandbox-launche") and int(tail.split()[1]) == self.process.pid:
                    return int(status.parent.name)
        return None

    def kill_launcher(self):
        """SIGKILL to the launcher; the service has to exit, as only a new start brings it back."""
        os.kill(self.launcher(), signal.SIGKILL)
        return self.process.wait(STOP_DEADLINE)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            try:
                self.resume()
                self.terminate()
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.mode.close(eventually)


# Those that have been started and not yet closed: their logs belong to a failing test's report.
RUNNING = []


@contextlib.contextmanager
def running(healthy=True, **environment):
    """A started service, closed at the end. Unless `healthy`, it is not waited for."""
    created = Service(**environment)
    RUNNING.append(created)
    try:
        yield created.start() if healthy else created.launch()
    finally:
        RUNNING.remove(created)
        created.close()
