"""Measures jobs through the HTTP API against the bare commands, in one run and as ratios.

    ./dev bench [--quick] [--json FILE] [--only python] [--go /path/to/go] [--no-docker]

Starts the real service on a free port with a fresh state folder, then interleaves: one job through
HTTP (POST with "wait" on a kept-alive connection), one bare command, and so on, so that both see the
same machine. Each Go and Python source is unique unless the row says "same source". Needs only the
Python standard library; the client is a raw socket, so that it measures the service and not itself.
Where Docker is present (docker.io, debootstrap, root), the docker backend is measured, too, beside the
native one and a bare `docker exec` (containers.py).
"""

import argparse
import contextlib
import json
import math
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import judge

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = "/usr/bin/python3"
GO_CANDIDATES = ["/usr/local/go/bin/go", "/usr/lib/go/bin/go"]

PYTHON_HELLO = 'print("hello {n}")\n'
PYTHON_IMPORTS = "import json, re, collections, dataclasses, datetime\n" + PYTHON_HELLO
# A computation of about 100 ms.
PYTHON_WORK = "n = 0\nfor i in range(1_500_000):\n    n += i * i\n" + PYTHON_HELLO
GO_HELLO = 'package main\n\nimport "fmt"\n\nfunc main() {{\n\tfmt.Println("hello {n}")\n}}\n'


class Client:
    """One kept-alive HTTP/1.1 connection. Not thread-safe."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def call(self, method, path, body=b""):
        """Returns (status, body)."""
        head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._socket.sendall(head.encode() + b"\r\n" + body)
        data = self._rest
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._receive()
        lines = data[:end].decode("latin-1").split("\r\n")
        length = 0
        for line in lines[1:]:
            name, _, value = line.partition(":")
            if name.lower() == "content-length":
                length = int(value)
        data = data[end + 4 :]
        while len(data) < length:
            data += self._receive()
        self._rest = data[length:]
        return int(lines[0].split(" ", 2)[1]), data[:length]

    def _receive(self):
        data = self._socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the service closed the connection")
        return data

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


def timed(function, *args):
    started = time.perf_counter()
    function(*args)
    return (time.perf_counter() - started) * 1000


class Sources:
    """Unique programs, numbered across all threads and runs."""

    def __init__(self):
        self._lock = threading.Lock()
        self._next = time.time_ns()

    def take(self, template):
        """Returns (code, expected output)."""
        with self._lock:
            self._next += 1
            n = self._next
        return template.format(n=n), f"hello {n}\n"


class Bench:
    """The cases. `job` and `bare` functions do one unit of work each."""

    def __init__(self, port, go, folder):
        self.port = port
        self.go = go
        self.folder = folder
        self.sources = Sources()
        self.same_go = self.sources.take(GO_HELLO)
        self.env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"}
        self.env |= {"GOCACHE": str(folder / "gocache"), "GOTOOLCHAIN": "local"}

    def python_job(self, client):
        run_job(client, "python", *self.sources.take(PYTHON_HELLO))

    def python(self, name, template):
        """A pair for this program: its name, the job, the bare command."""

        def bare():
            path, expected = self._write("main.py", template)
            run_bare([PYTHON, path], self.env, expected)

        return name, lambda c: run_job(c, "python", *self.sources.take(template)), bare

    def go_job(self, client):
        run_job(client, "go", *self.sources.take(GO_HELLO))

    def same_go_job(self, client):
        run_job(client, "go", *self.same_go)

    def _write(self, name, template):
        code, expected = self.sources.take(template)
        folder = self.folder / str(threading.get_ident())
        folder.mkdir(exist_ok=True)
        path = folder / name
        path.write_text(code)
        return str(path), expected

    def go_bare(self):
        path, expected = self._write("hello.go", GO_HELLO)
        run_bare([self.go, "run", path], self.env, expected)

    def latency(self, pairs, rounds):
        """Interleaves job and bare of every pair; returns {name: (job samples, bare samples)}."""
        client = Client(self.port)
        samples = {name: ([], []) for name, _, _ in pairs}
        for i in range(rounds + 3):
            for name, job, bare in pairs:
                of_job, of_bare = timed(job, client), timed(bare)
                if i >= 3:  # the first ones warm both sides up
                    samples[name][0].append(of_job)
                    samples[name][1].append(of_bare)
        client.close()
        return samples

    def throughput(self, work, clients, seconds, connect):
        """Completed units a second by `clients` threads, each in a closed loop."""
        counts, errors = [0] * clients, []
        stop = threading.Event()
        ready = threading.Barrier(clients + 1)

        def loop(index):
            try:
                args = (Client(self.port),) if connect else ()
                ready.wait()
                while not stop.is_set():
                    work(*args)
                    counts[index] += 1
            except Exception as error:  # shown by the main thread
                errors.append(error)
                ready.abort()

        threads = [threading.Thread(target=loop, args=(i,)) for i in range(clients)]
        for thread in threads:
            thread.start()
        with contextlib.suppress(threading.BrokenBarrierError):
            ready.wait()
        started = time.perf_counter()
        stop.wait(seconds)
        elapsed_counts, elapsed = sum(counts), time.perf_counter() - started
        stop.set()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return elapsed_counts / elapsed


def resident_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


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
    binary = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / "build")) / "sandboxd"
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
    log = folder / "sandboxd.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [binary], env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + 180  # the first start warms the compilers' caches
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


def find_go(wanted, version):
    """The Go whose version the service found, so that both sides run the same toolchain."""
    if wanted:
        return wanted
    candidates = [shutil.which("go"), *GO_CANDIDATES]
    candidates += map(str, sorted(pathlib.Path("/usr/lib").glob("go-*/bin/go")))
    candidates = [c for c in candidates if c and os.access(c, os.X_OK)]
    for candidate in candidates:
        found = subprocess.run([candidate, "version"], capture_output=True, text=True).stdout
        if f"go{version} " in found:
            return candidate
    return candidates[0] if candidates else None


def table(header, rows):
    print("| " + " | ".join(header) + " |")
    print("|---|" + "---:|" * (len(header) - 1))
    for row in rows:
        print("| " + " | ".join(f"{c:.2f}" if isinstance(c, float) else str(c) for c in row) + " |")
    print(flush=True)


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the samples")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there, too")
    parser.add_argument("--only", choices=["python", "go"], help="the programs of one language")
    parser.add_argument("--go", help="go command of the bare side (default: as the service)")
    parser.add_argument("--no-docker", action="store_true", help="leave out the docker backend")
    options = parser.parse_args()
    rounds, seconds = (10, 1.0) if options.quick else (100, 5.0)
    cores = os.cpu_count() or 1

    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o755)  # the service's own user passes through to its state folder
    try:
        with service(folder) as (process, port):
            numbers = measure(process, port, folder, options, rounds, seconds, cores)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(numbers, indent=1) + "\n")


def measure(process, port, folder, options, rounds, seconds, cores):
    client = Client(port)
    health = json.loads(client.call("GET", "/health")[1])
    languages = json.loads(client.call("GET", "/v1/languages")[1])
    languages = languages.get("languages", languages) if isinstance(languages, dict) else languages
    found = {l["id"]: l.get("version") for l in languages if l.get("available", True)}
    idle = {"sandboxd": resident_kib(process.pid)}
    idle["children"] = sum(resident_kib(child) for child in children(process.pid))
    idle["all_proportional"] = sum(proportional_kib(pid) for pid in tree(process.pid))

    go = find_go(options.go, found["go"]) if "go" in found else None
    bench = Bench(port, go, folder)
    pairs = []
    if "python" in found and options.only in (None, "python"):
        pairs.append(bench.python("Python hello", PYTHON_HELLO))
        pairs.append(bench.python("Python, five imports", PYTHON_IMPORTS))
        pairs.append(bench.python("Python, 100 ms of work", PYTHON_WORK))
    if go and options.only in (None, "go"):
        pairs.append(("Go hello", bench.go_job, bench.go_bare))
        pairs.append(("Go hello, same source", bench.same_go_job, bench.go_bare))
        print("bench: filling the Go build cache of the bare side", file=sys.stderr, flush=True)
        bench.go_bare()

    print(f"code-sandbox {health.get('version')}, isolation {health.get('isolation')}, ", end="")
    print(f"{cores} cores, Linux {os.uname().release}, languages {found}\n")

    numbers = {"health": health, "languages": found, "cores": cores, "latency": {}}
    print("Latency of one job, milliseconds; ratio = service / bare command, below 1 is faster.\n")
    rows = []
    for name, (job, bare) in bench.latency(pairs, rounds).items():
        row = {p: (percentile(job, p), percentile(bare, p)) for p in (50, 90, 99)}
        numbers["latency"][name] = {f"p{p}": {"job": j, "bare": b} for p, (j, b) in row.items()}
        cells = [c for p in (50, 90, 99) for c in (*row[p], row[p][0] / row[p][1])]
        rows.append([name, len(job), *cells])
    columns = [f"p{p} {what}" for p in (50, 90, 99) for what in ("job", "bare", "ratio")]
    table(["case", "n", *columns], rows)

    print("Throughput; ratio = service / bare command, above 1 is faster.\n")
    rows = []
    numbers["throughput"] = {}
    for name, job, bare in pairs:
        for clients in (1, 2 * cores, 16):
            of_job = bench.throughput(job, clients, seconds, True)
            # More bare commands at once than cores only disturb each other.
            of_bare = bench.throughput(bare, min(clients, cores), seconds, False)
            numbers["throughput"][f"{name}, {clients} clients"] = {"job": of_job, "bare": of_bare}
            rows.append([name, clients, of_job, of_bare, of_job / of_bare if of_bare else 0.0])
    table(["case", "clients", "jobs/s", "bare runs/s", "ratio"], rows)

    client.close()
    client = Client(port)  # the first one has idled for longer than the service keeps a connection
    language, template = ("python", PYTHON_HELLO) if "python" in found else ("go", GO_HELLO)
    job_id = run_job(client, language, *bench.sources.take(template))["id"]
    rows = []
    for clients in (1, 2 * cores):
        polls = bench.throughput(
            lambda c: c.call("GET", f"/v1/execute/{job_id}"), clients, seconds, True
        )
        rows.append([f"status polls/s, {clients} connections", polls])
        numbers[f"polls, {clients} connections"] = polls
    busy = resident_kib(process.pid)
    rows.append(["sandboxd resident when idle, MiB", idle["sandboxd"] / 1024])
    rows.append(["its children resident when idle, MiB", idle["children"] / 1024])
    rows.append(["all processes idle, parked sandboxes too, proportional (PSS), MiB",
                 idle["all_proportional"] / 1024])
    rows.append(["sandboxd resident after the run, MiB", busy / 1024])
    numbers["resident_kib"] = {**idle, "sandboxd_after": busy}
    table(["measure", "value"], rows)
    client.close()
    if options.only is not None:
        return numbers
    if "c" in found:
        rows = judge.measure(lambda: Client(port), folder, options.quick)
        print("Judging and batches, seconds; the best of a few rounds for the tests.\n")
        table(["case", "service", "other", "ratio"], [[*row, row[1] / row[2]] for row in rows])
        numbers["judge"] = rows
    numbers["backlog"] = backlog(folder, options.quick)
    if not options.no_docker:
        try:
            import containers

            missing = containers.missing()
        except ModuleNotFoundError as error:  # of the tests' packages, which come with ./dev test
            missing = error
        if missing:
            print(f"Docker backend: not measured: {missing}\n")
        else:
            numbers["docker"] = containers.measure(bench, rounds, seconds, cores)
    return numbers


def backlog(folder, quick):
    """What the SQLite store's calls cost as the queue grows (bench/store_bench.cc)."""
    sizes = [1_000, 10_000, 100_000] if quick else [1_000, 10_000, 100_000, 1_000_000]
    program = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / "build")) / "store_bench"
    done = subprocess.run([program, folder, *map(str, sizes)], stdout=subprocess.PIPE, check=True)
    points = [json.loads(line) for line in done.stdout.splitlines()]
    first = points[0]
    print("Cost of the SQLite store's calls with a growing queue of 100 tenants, microseconds in a")
    print("transaction of 64; ratio to the first row, 1 is flat.\n")
    table(
        ["queued", "submit", "ratio", "lease and finish", "ratio", "own memory, KiB"],
        [
            [
                p["queued"],
                p["submit_us"],
                p["submit_us"] / first["submit_us"],
                p["lease_finish_us"],
                p["lease_finish_us"] / first["lease_finish_us"],
                p["memory_bytes"] // 1024,
            ]
            for p in points
        ],
    )
    return points


if __name__ == "__main__":
    main()
