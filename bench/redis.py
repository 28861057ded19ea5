"""Measures the Redis store: beside SQLite, in round trips, and with a growing backlog.

    ./dev bench redis [--quick] [--json FILE] [--write DOCUMENT]

Starts a real redis-server (append-only file, fsync always) on a Unix socket and real services. All
figures of one run belong together: read the ratios. Needs only the Python standard library.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import about
import report
from harness import ROOT, Client, resident_kib, service
from jobs import PYTHON_HELLO

LUA = ROOT / "src" / "store" / "lua"
BLOCKER = "import time; time.sleep(50)"
CLIENTS = 4


class Redis:
    """One connection, not thread-safe."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._stream = self._socket.makefile("rb")
        self._scripts = {}

    def call(self, *words):
        self._socket.sendall(self._encode(*words))
        return self._read()

    def script(self, name):
        """The beginning of a call of one of the service's scripts."""
        if name not in self._scripts:
            source = (LUA / "common.lua").read_text() + (LUA / f"{name}.lua").read_text()
            self._scripts[name] = self.call("SCRIPT", "LOAD", source)
        return ("EVALSHA", self._scripts[name], 1, "{bench}")

    def pipeline(self, commands):
        self._socket.sendall(b"".join(self._encode(*words) for words in commands))
        return [self._read() for _ in commands]

    def info(self, section, field):
        for line in self.call("INFO", section).decode().splitlines():
            if line.startswith(field + ":"):
                return line.partition(":")[2]
        return ""

    def evaluations(self):
        """Scripts called by clients so far: the round trips of the service."""
        total = 0
        for command in ("evalsha", "eval"):
            values = self.info("commandstats", f"cmdstat_{command}")
            total += int(values.split(",")[0].removeprefix("calls=")) if values else 0
        return total

    @staticmethod
    def _encode(*words):
        encoded = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        return b"".join([b"*%d\r\n" % len(encoded),
                         *(b"$%d\r\n%s\r\n" % (len(w), w) for w in encoded)])

    def _read(self):
        line = self._stream.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._stream.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self._read() for _ in range(int(rest))]
        return rest


@contextlib.contextmanager
def redis_server(folder, *arguments):
    path = folder / "redis.sock"
    process = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "777",
         "--dir", str(folder), "--save", "", *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError):
                yield_value = Redis(path)
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("redis-server did not start")
            time.sleep(0.02)
        yield yield_value, path
    finally:
        process.kill()
        process.wait()


def submission(code, **members):
    return json.dumps({"language": "python", "code": code, **members}).encode()


def in_parallel(port, seconds, body):
    """Calls a second with CLIENTS kept-alive connections, each call answered as it should be."""
    counts = [0] * CLIENTS
    end = time.monotonic() + seconds

    def loop(index):
        client = Client(port)
        while time.monotonic() < end:
            status, answer = client.call("POST", "/v1/execute", body())
            if status not in (200, 202):
                raise RuntimeError(f"{status}: {answer[:300]}")
            counts[index] += 1
        client.close()

    threads = [threading.Thread(target=loop, args=(i,)) for i in range(CLIENTS)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - started), sum(counts)


def round_trips(redis, client, jobs):
    """Calls of scripts per job that nobody waits for, from its submission to its result."""
    before = redis.evaluations()
    for n in range(jobs):
        client.call("POST", "/v1/execute", submission(PYTHON_HELLO.replace("{n}", str(n))))
    while redis.call("HMGET", "{code-sandbox}:state", "queued", "running") != [b"0", b"0"]:
        time.sleep(0.02)
    return (redis.evaluations() - before) / jobs


def beside_sqlite(folder, seconds):
    """Submissions and whole jobs a second on both stores."""
    numbers = {}
    with redis_server(folder, "--appendonly", "yes", "--appendfsync", "always") as (redis, path):
        for store, settings in (("sqlite", {"JOB_STORE": "sqlite"}),
                                ("redis", {"JOB_STORE": "redis", "REDIS_ADDR": f"unix:{path}"})):
            state = folder / store
            state.mkdir(mode=0o755)
            with service(state, SANDBOX_QUEUE_SIZE="1000000", HTTP_SHUTDOWN_TIMEOUT="1s",
                         **settings) as (_, port):
                jobs, _ = in_parallel(port, seconds, lambda: submission(
                    PYTHON_HELLO.replace("{n}", str(time.monotonic_ns())), wait="30s"))
                client = Client(port)
                if store == "redis":
                    numbers["round_trips_per_job"] = round_trips(redis, client, 100)
                for _ in range(os.cpu_count() or 1):
                    client.call("POST", "/v1/execute", submission(BLOCKER, timeout="55s"))
                submits, _ = in_parallel(port, seconds, lambda: submission("print(1)"))
                numbers[store] = {"submits_per_second": submits, "jobs_per_second": jobs}
    return numbers


def with_backlog(folder, sizes, calls):
    """What one call costs, and how much memory is in use, while as many jobs wait."""
    (folder / "backlog").mkdir(mode=0o755)
    body = json.dumps({"v": 1, "language": "python", "code": "print(sum(map(int, input().split())))",
                       "stdin": "1 2 3", "timeout": 0, "priority": 0})
    rows, count = [], 0

    def submit():
        nonlocal count
        count += 1
        return (*redis.script("submit"), f"{count:022d}", f"tenant{count % 50}", 0, "python",
                10**18 + count, body, 10**9, 0, 0, 0)

    with redis_server(folder / "backlog") as (redis, path):
        empty = int(redis.info("memory", "used_memory"))
        for size in sizes:
            while count < size:
                redis.pipeline([submit() for _ in range(min(500, size - count))])
            used = (int(redis.info("memory", "used_memory")) - empty) / size
            best = [float("inf")] * 2
            for attempt in range(5):  # the best of five: the machine has other things to do
                started = time.perf_counter()
                for _ in range(calls):
                    redis.call(*submit())
                best[0] = min(best[0], (time.perf_counter() - started) / calls)
                started = time.perf_counter()
                for n in range(calls):
                    lease = redis.call(*redis.script("lease"), "w", 1, f"{size}-{attempt}-{n}",
                                       30000, 3, 3600000, 5000, "node")[0]
                    redis.call(*redis.script("finish"), lease[0], lease[1], "completed",
                               10**18, 3_600_000, '{"v":1}', "")
                best[1] = min(best[1], (time.perf_counter() - started) / calls)
            state = folder / f"api-{size}"
            state.mkdir(mode=0o755)
            with service(state, JOB_STORE="redis", ROLE="api", REDIS_ADDR=f"unix:{path}",
                         REDIS_KEY_PREFIX="bench", SANDBOX_QUEUE_SIZE="100000000") as (node, port):
                client = Client(port)
                for _ in range(100):
                    client.call("POST", "/v1/execute", submission("print(1)"))
                    client.call("GET", "/health")
                resident = resident_kib(node.pid)
            rows.append({"queued": size, "submit_us": best[0] * 1e6,
                         "lease_and_finish_us": best[1] * 1e6, "redis_bytes_per_job": used,
                         "sandboxd_kib": resident})
    return rows


def main():
    parser = argparse.ArgumentParser(prog="./dev bench redis", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="less time, a smaller backlog")
    parser.add_argument("--json", metavar="FILE", help="keep the numbers there")
    parser.add_argument("--write", metavar="DOCUMENT", help="put the tables into it")
    options = parser.parse_args()
    sizes = (1_000, 10_000, 100_000) if options.quick else (1_000, 10_000, 100_000, 1_000_000)
    if shutil.which("redis-server") is None:
        sys.exit("bench: redis-server is missing; install the package redis-server")
    machine = about.machine("./dev bench redis")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o755)
    try:
        stores = beside_sqlite(folder, 2 if options.quick else 8)
        backlog = with_backlog(folder, sizes, 100 if options.quick else 400)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    numbers = {"about": machine, "clients": CLIENTS, "stores": stores, "backlog": backlog}
    print(report.redis_document(numbers))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(numbers, indent=1) + "\n")
    if options.write:
        report.write(options.write, numbers, "bench redis")


if __name__ == "__main__":
    main()
