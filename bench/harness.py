"""What all parts of the benchmark use: clients, the service under test, bare commands, figures."""

import contextlib
import json
import math
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / "build"))
METRIC = re.compile(r"^(sandbox_\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')


class Client:
    """One kept-alive HTTP/1.1 connection: a raw socket, so that it measures the service and not
    itself. Not thread-safe."""

    def __init__(self, port, host="127.0.0.1"):
        self._host = host
        self._socket = socket.create_connection((host, port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def call(self, method, path, body=b""):
        """Returns (status, body)."""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._socket.sendall(head.encode() + b"\r\n" + body)
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ", 2)[1])
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        if fields.get("transfer-encoding") == "chunked":
            return status, self._chunks()
        return status, self._take(int(fields.get("content-length", 0)))

    def _chunks(self):
        body = b""
        while size := int(self._until(b"\r\n").partition(b";")[0], 16):
            body += self._take(size)
            self._take(2)
        self._until(b"\r\n")
        return body

    def _until(self, mark):
        while (end := self._rest.find(mark)) < 0:
            self._receive()
        data, self._rest = self._rest[:end], self._rest[end + len(mark):]
        return data

    def _take(self, length):
        while len(self._rest) < length:
            self._receive()
        data, self._rest = self._rest[:length], self._rest[length:]
        return data

    def _receive(self):
        data = self._socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the service closed the connection")
        self._rest += data

    def close(self):
        self._socket.close()


def run_job(client, language, code, expected):
    """Submits, waits, checks the output. Returns the job."""
    body = json.dumps({"language": language, "code": code, "wait": "30s"}).encode()
    status, answer = client.call("POST", "/v1/execute", body)
    job = json.loads(answer)
    if status != 200 or job["result"]["verdict"] != "ok" or job["result"]["stdout"] != expected:
        raise RuntimeError(f"{language} job went wrong ({status}): {answer.decode()[:2000]}")
    return job


def submit(client, language, code, **members):
    """Submits without waiting. Returns the id."""
    body = json.dumps({"language": language, "code": code, **members}).encode()
    status, answer = client.call("POST", "/v1/execute", body)
    if status != 202:
        raise RuntimeError(f"the job was not accepted ({status}): {answer.decode()[:2000]}")
    return json.loads(answer)["id"]


def occupy(client, slots):
    """Takes all slots, so that what comes next waits. Returns the ids, to be cancelled."""
    ids = [submit(client, "python", "import time; time.sleep(60)", timeout="60s")
           for _ in range(slots)]
    deadline = time.monotonic() + 30
    while json.loads(client.call("GET", "/health")[1])["running"] < slots:
        if time.monotonic() > deadline:
            raise RuntimeError("the slots were not taken within 30 s")
        time.sleep(0.02)
    return ids


def cancel(client, ids):
    for job_id in ids:
        client.call("DELETE", f"/v1/execute/{job_id}")


def run_bare(argv, env, expected):
    """Runs a command and checks its output; posix_spawn, because Python's subprocess costs more."""
    read, write = os.pipe()
    try:
        actions = [(os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_CLOSE, read)]
        pid = os.posix_spawn(argv[0], argv, env, file_actions=actions)
    finally:
        os.close(write)
    with os.fdopen(read, "rb") as pipe:
        output = pipe.read()
    _, status = os.waitpid(pid, 0)
    if status != 0 or output.decode() != expected:
        raise RuntimeError(f"{argv} went wrong: status {status}, output {output[:200]!r}")


def percentile(samples, p):
    """Nearest rank."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(p / 100 * len(ordered)) - 1)]


def percentiles(samples, which=(50, 90, 99)):
    return {f"p{p}": percentile(samples, p) for p in which}


def timed(function, *args):
    """Milliseconds."""
    started = time.perf_counter()
    function(*args)
    return (time.perf_counter() - started) * 1000


class Sources:
    """Unique programs, numbered across all threads and runs. "{n}" stands for the number."""

    def __init__(self):
        self._lock = threading.Lock()
        self._next = time.time_ns()

    def take(self, template):
        """Returns (code, expected output)."""
        with self._lock:
            self._next += 1
            n = self._next
        return template.replace("{n}", str(n)), f"hello {n}\n"


def in_threads(work, count, seconds, connect):
    """Completed units a second by `count` threads, each in a closed loop; `connect()` gives each the
    arguments of `work`. What is under way at the end is waited for and counted."""
    counts, errors = [0] * count, []
    stop = threading.Event()
    ready = threading.Barrier(count + 1)

    def loop(index):
        try:
            args = connect()
            ready.wait()
            while not stop.is_set():
                work(*args)
                counts[index] += 1
        except Exception as error:  # shown by the main thread
            errors.append(error)
            ready.abort()

    threads = [threading.Thread(target=loop, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    with contextlib.suppress(threading.BrokenBarrierError):
        ready.wait()
    started = time.perf_counter()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return sum(counts) / (time.perf_counter() - started)


def load(mode, port, **options):
    """Runs the load client (load.cc) to its end and returns what it found."""
    process = start_load(mode, port, **options)
    return end_load(process)


def start_load(mode, port, **options):
    argv = [str(BUILD / "load"), mode, "--port", str(port)]
    for name, value in options.items():
        argv += [f"--{name}", str(value)]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def end_load(process):
    output, _ = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"the load client failed with status {process.returncode}")
    return json.loads(output.splitlines()[-1])


def status_kib(pid, field):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0


def resident_kib(pid):
    return status_kib(pid, "VmRSS")


class PeakMemory:
    """The most resident memory of a process while this is entered, looked at every 10 ms."""

    def __init__(self, pid):
        self.kib = 0
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self):
        while not self._stop.wait(0.01):
            self.kib = max(self.kib, resident_kib(self._pid))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def cpu_seconds(pid):
    """User and system time of all its threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid):
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                yield int(stat.parent.name)


def tree(pid):
    yield pid
    for child in children(pid):
        yield from tree(child)


def proportional_kib(pid):
    """Its part of the memory that it shares; 0 when that is not ours to see."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def service(folder, **settings):
    """Starts sandboxd with these variables besides; yields (process, port)."""
    port = free_port()
    env = os.environ | {
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": str(port),
        "STATE_DIR": str(folder / "state"),
        "JOB_STORE": "sqlite",
        "LOG_LEVEL": "warning",
        **settings,
    }
    env.setdefault("SANDBOX_LANGUAGE_DIR", str(ROOT / "config/languages"))
    env.setdefault("SANDBOX_SECCOMP_DIR", str(ROOT / "config/seccomp"))
    env.setdefault("SANDBOX_CACHE_DIR", str(BUILD / "cache"))  # else each start warms compilers up
    log = folder / "sandboxd.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [BUILD / "sandboxd"], env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + 600  # the first start warms the compilers' caches
        while True:
            with contextlib.suppress(OSError):
                client = Client(port)
                status, _ = client.call("GET", "/health")
                client.close()
                if status == 200:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"sandboxd did not start:\n{log.read_text()[-4000:]}")
            time.sleep(0.02)
        yield process, port
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def own_service(folder, name, **settings):
    """One with a state folder of its own, which ends without waiting for its jobs."""
    state = folder / name
    state.mkdir(mode=0o755)
    with service(state, HTTP_SHUTDOWN_TIMEOUT="1s", **settings) as started:
        yield started


def until_idle(port, deadline=120):
    end = time.monotonic() + deadline
    while True:
        client = Client(port)
        health = json.loads(client.call("GET", "/health")[1])
        client.close()
        if health["queued"] + health["running"] == 0:
            return
        if time.monotonic() > end:
            raise RuntimeError(f"jobs did not end within {deadline} s: {health}")
        time.sleep(0.1)


def metrics(client):
    """(name, labels, value) of each of the service's own."""
    text = client.call("GET", "/metrics")[1].decode()
    return [(name, dict(LABEL.findall(labels or "")), float(value))
            for name, labels, value in METRIC.findall(text)]


def until_ready(client, deadline=60):
    """Until all that is made ahead is there: no sandbox is being built, and every interpreter that
    was started serves."""
    end = time.monotonic() + deadline
    while True:
        values = metrics(client)
        forked = {labels["kind"] for name, labels, value in values
                  if name == "sandbox_zygotes_started_total" and value}
        building = [value for name, labels, value in values
                    if name == "sandbox_pool" and labels["state"] == "building"]
        serving = [value for name, labels, value in values
                   if name == "sandbox_zygotes" and labels["kind"] in forked]
        if building and not any(building) and all(serving):
            return
        if time.monotonic() > end:
            raise RuntimeError(f"the sandboxes that are made ahead were not there in {deadline} s")
        time.sleep(0.1)
