"""The service that hostile programs run in, and what must hold after each of them."""

import collections
import ctypes
import hashlib
import http.server
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import threading
import time

import modes
from contract import REPOSITORY
from service import BUILD, SANDBOXD, Service, eventually

SLOTS = 3
UIDS = range(1879048192, 1879048192 + 536)  # wire::kHostIds: two for each sandbox and zygote
CONTROLLERS = ("memory", "pids", "cpu", "cpuacct")
# Where a sandbox is put together, before it is moved to its own root.
SANDBOX_MOUNTS = tuple(f"/tmp/{name}" for name in ("box", "tmp", "dev", "proc", "usr", "etc", "cache"))
SETTLE = 15  # seconds for what is asynchronous: tear-down of mounts, parking of new sandboxes
RSS_SLACK_KIB = 8 << 10
# What the compile cache holds open: what came out of a sandbox, or was read from its files.
KEPT_PROGRAMS = ("/memfd:collected", "/memfd:program")
MOST_KEPT = 64  # at once
DELIVERY_SLACK = 0.5

NEIGHBOUR_LIFE = 45  # seconds; a new one takes over before

# Runs beside every attack. It holds what no other job may see or change, and says at its end, which
# comes with a signal from outside of its sandbox, whether it is as it was.
NEIGHBOUR = """
import ctypes, os, signal, socket, sys, time
ends = []
signal.signal(signal.SIGUSR1, lambda *_: ends.append(True))
token = "@TOKEN@"
for path in ("/box/token", "/tmp/token", "/dev/shm/token"):
    open(path, "w").write(token)
os.environ["TOKEN"] = token
listener = socket.create_server(("127.0.0.1", 4444))
named = socket.socket(socket.AF_UNIX)
named.bind("\\0neighbour")
ctypes.CDLL(None).prctl(15, b"@NAME@")  # PR_SET_NAME, when all is ready: the host finds it by that
end = time.monotonic() + @LIFE@
while not ends and time.monotonic() < end:
    time.sleep(0.2)
    for path in ("/box/token", "/tmp/token", "/dev/shm/token"):
        assert open(path).read() == token
assert sorted(os.listdir("/tmp")) == ["token"]
assert sorted(os.listdir("/dev/shm")) == ["token"]
assert sorted(os.listdir("/box")) == ["main.py", "token"]
listener.setblocking(False)
try:
    listener.accept()
    raise AssertionError("somebody connected")
except BlockingIOError:
    print("intact")
"""


def read(path):
    try:
        return pathlib.Path(path).read_text()
    except OSError:
        return ""


def read_link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def status_field(pid, name):
    for line in read(f"/proc/{pid}/status").splitlines():
        if line.startswith(name + ":"):
            return line.split(":", 1)[1].strip()
    return ""


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children(parent):
    return [pid for pid in processes() if status_field(pid, "PPid") == str(parent)]


def digest(path):
    """Of the content as the page cache has it: a write past the file system changes it as well."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "blake2b").hexdigest()


class Canaries:
    """Secrets of the host that no job may see, and files that none may change."""

    def __init__(self, folder):
        self.password = f"canary-password-{secrets.token_hex(8)}"
        self.token = f"canary-token-{secrets.token_hex(8)}"
        self.host_name = f"canary-host-{secrets.token_hex(4)}"
        self.file = folder / "canary"
        self.file.write_text(f"canary-file-{secrets.token_hex(8)}")
        self.file.chmod(0o666)
        self.secrets = [self.password, self.token, self.file.read_text(), str(folder)]
        python = pathlib.Path("/usr/bin/python3").resolve()
        libc = next(pathlib.Path("/usr/lib").glob("*/libc.so.6"), python)
        self.files = [p for p in (
            self.file, SANDBOXD, SANDBOXD.parent / "sandbox-launcher", python, libc,
            pathlib.Path("/etc/passwd"), pathlib.Path("/etc/shadow"), pathlib.Path("/etc/hosts"),
            pathlib.Path(os.__file__)) if os.access(p, os.R_OK)]
        self.digests = {path: digest(path) for path in self.files}
        self.caches = None

    def watch_caches(self):
        """From now on: the service fills them at its first start."""
        self.caches = self._caches()

    @staticmethod
    def _caches():
        """Names, sizes and times of the compilers' caches."""
        root = pathlib.Path(os.environ.get("SANDBOX_CACHE_DIR", BUILD / "cache"))
        return sorted((str(path), info.st_size, info.st_mtime_ns) for path in root.glob("*/*")
                      for info in (path.stat(),))

    def check_files(self):
        for path, before in self.digests.items():
            assert digest(path) == before, f"{path} was changed"
        assert self._caches() == self.caches, "a compiler's cache was changed"

    def check_response(self, body):
        text = body.decode()  # UTF-8, or the test fails
        for secret in self.secrets:
            assert secret not in text, f"{secret} is in a response"
            assert secret.encode().hex() not in text, f"{secret} is in a response, in hex"


def own_processes(launcher):
    """Those in the cgroups of this launcher, and its children."""
    mark = f"code-sandbox.{launcher}."
    return [pid for pid in processes()
            if mark in read(f"/proc/{pid}/cgroup") or status_field(pid, "PPid") == str(launcher)]


class HostName:
    """This process and its children in a UTS namespace with another host name, where that is allowed."""

    CLONE_NEWUTS = 0x04000000

    def __init__(self, name):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.before = os.open("/proc/self/ns/uts", os.O_RDONLY | os.O_CLOEXEC)
        self.changed = self.libc.unshare(self.CLONE_NEWUTS) == 0
        if self.changed:
            socket.sethostname(name)

    def restore(self):
        if self.changed:
            assert self.libc.setns(self.before, self.CLONE_NEWUTS) == 0
        os.close(self.before)


class Listeners:
    """What a job must not reach: an HTTP server on loopback and an abstract UNIX socket."""

    def __init__(self):
        self.connections = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def setup(self):
                outer.connections += 1
                super().setup()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.udp.setblocking(False)
        self.abstract = f"code-sandbox-canary-{os.getpid()}"
        self.unix = socket.socket(socket.AF_UNIX)
        self.unix.bind("\0" + self.abstract)
        self.unix.listen()
        self.unix.setblocking(False)

    def check(self):
        assert self.connections == 0, "a job reached the host's loopback"
        for reached in (lambda: self.unix.accept(), lambda: self.udp.recv(1)):
            try:
                reached()
            except BlockingIOError:
                continue
            raise AssertionError("a job reached a socket of the host")

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.unix.close()
        self.udp.close()


class HealthWatch:
    """Asks for /health all the time, on the side, as a prober does: in a process of its own."""

    def __init__(self, service):
        self.service = service
        self.latencies = []

    def __enter__(self):
        self.process = subprocess.Popen(
            ["/usr/bin/python3", REPOSITORY / "tests/e2e/health_watch.py", self.service.host, str(self.service.port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        said, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == 0
        self.latencies = json.loads(said)

    def percentile(self, share):
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Host:
    """A service with canaries, a neighbour, and a baseline that it must come back to."""

    def __init__(self, slots=SLOTS, neighbour=True, **environment):
        self.slots = slots
        # Python's processes that wait for jobs, each in a sandbox, and their zygotes: without modules that
        # are loaded ahead, with common ones, and with numpy.
        self.zygotes = 0 if environment.get("SANDBOX_WARM_START") == "off" else 2 + modes.has_numpy()
        self.warm = self.zygotes * min(slots + 2, 32)
        self.has_neighbour = neighbour
        self.service = Service(**{
            "SANDBOX_SLOTS": str(slots), "SANDBOX_MEMORY": "128MiB", "SANDBOX_TIMEOUT": "3s",
            "SANDBOX_MAX_TIMEOUT": "60s", "JOB_TTL": "5m", "SANDBOX_COMPILE_TIMEOUT": "5s",
            # Not JavaScript, whose processes are parked while they are in use: so the number of what may
            # be there is known. test_warm_javascript.py is about those.
            "SANDBOX_WARM_START": "python", **environment})
        languages = self.service.folder / "languages"
        languages.mkdir()
        for folder in (REPOSITORY / "config" / "languages", REPOSITORY / "tests" / "hostile" / "languages"):
            for file in folder.glob("*.toml"):
                shutil.copy(file, languages)
        self.service.environment["SANDBOX_LANGUAGE_DIR"] = str(languages)
        self.canaries = Canaries(self.service.folder)
        self.host_name = HostName(self.canaries.host_name)
        if self.host_name.changed:
            self.canaries.secrets.append(self.canaries.host_name)
        self.service.environment["REDIS_PASSWORD"] = self.canaries.password
        self.listeners = Listeners()
        self.neighbour = None
        self.neighbour_name = f"next-{secrets.token_hex(4)}"
        self.neighbour_end = 0.0

    def start(self):
        self.service.start()
        self.isolation = self.service.get("/health").json["isolation"]
        self.launcher = next(pid for pid in children(self.service.process.pid)
                             if read(f"/proc/{pid}/comm").startswith("sandbox-launch"))
        self.groups = self._cgroup_folders()
        self._warm_up()
        self.canaries.watch_caches()
        self.keep_neighbour()
        self.idle = statistics.median(self.greet() for _ in range(7))
        eventually(lambda: self._leftovers() == [], SETTLE, what="parked sandboxes")
        self.take_baseline()

    def take_baseline(self):
        """What later checks compare with. The least of some samples, as sandboxes that are just being
        parked hold more."""
        samples = [(self.greet(), self._check_leftovers(), self._measure())[-1] for _ in range(5)]
        self.baseline = {key: min(sample[key] for sample in samples) for key in samples[0]}

    def close(self):
        self.service.close()
        self.listeners.close()
        self.host_name.restore()

    def _warm_up(self):
        """What a first time costs is no leak: buffers of full size, both languages."""
        for _ in range(2):
            for job in [self.service.submit("while True: print('x' * 1000)") for _ in range(4)]:
                self.service.wait(job)
        for _ in range(2):
            # The largest answer: NUL takes six bytes in JSON.
            self.service.run("import os\nfor fd in (1, 2):\n    left = 1 << 20\n    while left:\n"
                             "        left -= os.write(fd, b'\\0' * left)\n")
        self.service.run("print(len(input()))", stdin="x" * (8 << 20))
        self.service.run("package main\n\nfunc main() {}\n", "go")
        for _ in range(20):
            self.greet()

    def _cgroup_folders(self):
        """The launcher's own folders, one for each controller (version 2: one)."""
        found = []
        lines = [line.split(":", 2) for line in read(f"/proc/{self.launcher}/cgroup").splitlines()]
        for line in read("/proc/self/mountinfo").splitlines():
            left, _, right = line.partition(" - ")
            point, kind = left.split()[4], right.split()[0]
            for _, names, own in lines:
                if kind == "cgroup2" and names == "" or kind == "cgroup" and names and \
                        set(names.split(",")) & set(right.split()[2].split(",")) & set(CONTROLLERS):
                    for parent in (point + own, str(pathlib.Path(point + own).parent), point):
                        found += pathlib.Path(parent).glob(f"code-sandbox.{self.launcher}.*")
        return sorted(set(found))

    @property
    def tokens(self):
        return {"SERVICE_PORT": self.service.port, "HOST_PORT": self.listeners.port,
                "HOST_UDP_PORT": self.listeners.udp.getsockname()[1],
                "ABSTRACT": self.listeners.abstract, "STATE_DIR": self.service.folder,
                "CANARY": self.canaries.file, "SERVICE_PID": self.service.process.pid,
                "LAUNCHER_PID": self.launcher}

    # The neighbour.

    def keep_neighbour(self):
        if not self.has_neighbour or (
                self.neighbour is not None and time.monotonic() < self.neighbour_end):
            return
        self.check_neighbour()
        code = NEIGHBOUR.replace("@TOKEN@", self.canaries.token)
        code = code.replace("@LIFE@", str(NEIGHBOUR_LIFE)).replace("@NAME@", self.neighbour_name)
        self.neighbour_end = time.monotonic() + NEIGHBOUR_LIFE - SETTLE
        self.neighbour = self.service.submit(code, timeout="60s")
        eventually(lambda: self.service.job(self.neighbour)["status"] == "running", 30,
                   what="the neighbour")

    def check_neighbour(self):
        """Ends the neighbour and hears what it says."""
        if self.neighbour is not None:
            for pid in processes():
                if read(f"/proc/{pid}/comm") == self.neighbour_name + "\n":
                    os.kill(pid, signal.SIGUSR1)
            result = self.service.wait(self.neighbour)["result"]
            assert (result["verdict"], result["stdout"]) == ("ok", "intact\n"), result
            self.neighbour = None

    # One attack.

    def run(self, attack):
        """Submits an attack and waits for its end; returns the job's result."""
        self.keep_neighbour()
        if "health_ms" in attack.header:
            with HealthWatch(self.service) as watch:
                job = self._ended(attack.submission(self.tokens))
            slow = watch.percentile(0.9) * 1000
            assert slow <= attack.header["health_ms"], f"/health took {slow:.0f} ms meanwhile"
        else:
            job = self._ended(attack.submission(self.tokens))
        self._check_delivery(attack, job)
        return job["result"]

    def run_together(self, attacks):
        """Runs several at once and checks what became of each, but not how long it took."""
        self.keep_neighbour()
        wrong = {}

        def run(attack):
            try:
                printed = []
                for _ in range(attack.header.get("rounds", 1)):
                    result = self._ended(attack.submission(self.tokens, patient=True))["result"]
                    attack.check(result, timed=False)
                    printed.append(result["stdout"])
                attack.check_rounds(printed)
            except Exception as error:  # of a thread: told below
                wrong[attack.name] = error

        threads = [threading.Thread(target=run, args=(attack,)) for attack in attacks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong, wrong

    def _ended(self, body):
        submitted = self.service.post(body)
        assert submitted.status == 202, submitted.body[:500]
        job_id = submitted.json["id"]
        self.service.wait(job_id)
        response = self.service.get(f"/v1/execute/{job_id}")
        self.canaries.check_response(response.body)
        assert len(response.body) < 15 << 20
        job = response.json
        assert job["status"] == "completed", job
        return job

    def _check_delivery(self, attack, job):
        """From its start to its stored end a job takes no longer than what it ran plus the slack."""
        result = job["result"]
        spent = seconds(job["finished_at"]) - seconds(job["started_at"])
        run = result["usage"]["wall_time_ms"] / 1000 + result.get("start_time_ms", 0) / 1000
        compiled = result.get("compile", {}).get("usage", {}).get("wall_time_ms", 0) / 1000
        limit = parse_seconds(attack.header.get("timeout", "3s"))
        self.late = {"spent": spent, "accounted": run + compiled, "limit": limit,
                     "hello": self.greet()}
        slow = attack.header.get("death_ms", 0) / 1000
        assert run - result.get("start_time_ms", 0) / 1000 <= limit + slow + self._slack(), self.late
        assert spent - run - compiled <= self._slack(), self.late

    def _slack(self):
        """The half second, and what a loaded machine adds: hello's latency of this moment tells."""
        return DELIVERY_SLACK + 10 * max(0.0, self.greet() - self.idle)

    # Invariants.

    def greet(self):
        """Runs a hello-world; returns its latency."""
        started = time.monotonic()
        response = self.service.post(
            {"language": "python", "code": "print('hello')", "wait": "30s"})
        assert response.status == 200 and response.json["result"]["stdout"] == "hello\n", response.body
        self.canaries.check_response(response.body)
        return time.monotonic() - started

    def check(self, relaxed=()):
        self.keep_neighbour()
        checks = {"hello": self._check_hello, "leftovers": self._check_leftovers,
                  "service": self._check_service, "canaries": self.canaries.check_files,
                  "listeners": self.listeners.check}
        unknown = set(relaxed) - checks.keys()
        assert not unknown, f"no such invariants: {unknown}"
        for name, check in checks.items():
            if name not in relaxed:
                check()

    def _check_hello(self):
        """All free slots at once, then each as quick as when idle; a loaded machine may take a while."""
        latencies = []
        free = self.slots - self.has_neighbour
        threads = [threading.Thread(target=lambda: latencies.append(self.greet()))
                   for _ in range(free)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(latencies) == free, "a hello job failed"
        eventually(lambda: self.greet() <= 2 * self.idle + 0.01, 30, every=0.02,
                   what=f"a hello within twice its idle latency of {self.idle:.3f} s")

    def _leftovers(self):
        """What is there beside the parked sandboxes and the neighbour."""
        zygotes = self.zygotes
        wanted = self.slots + self.warm + self.has_neighbour
        found = []
        for folder in self.groups:
            leaves = [p.name for p in folder.iterdir() if p.is_dir()]
            if len(leaves) != wanted + zygotes:
                found.append(f"{folder}: {leaves}")
        own = {}
        for pid in processes():
            uid = status_field(pid, "Uid").split()
            if not uid or not (int(uid[0]) in UIDS or status_field(pid, "PPid") == str(self.launcher)):
                continue
            groups = read(f"/proc/{pid}/cgroup")
            if not groups:
                continue  # it has just ended
            mine = f"code-sandbox.{self.launcher}." in groups
            if self.groups and int(uid[0]) in UIDS and "code-sandbox." not in groups or "(deleted)" in groups:
                found.append(f"process {pid} outside of any sandbox: {groups}")
            if mine or status_field(pid, "PPid") == str(self.launcher):
                inside = status_field(pid, "NSpid").split()
                own[pid] = inside[-1] if len(inside) > 1 else "helper"
        # The program is 2 in its sandbox, also while it waits for its job; or 3 when it was forked from
        # the zygote, or is another one than that which waited.
        kinds = collections.Counter("program" if v in "23" else v for v in own.values())
        programs = kinds.pop("program", 0)
        # The zygote and the launcher's own helper have no pid namespace.
        if kinds != {"1": wanted, "helper": zygotes + 1} or \
                not 0 <= programs - wanted + self.has_neighbour <= self.has_neighbour:
            found.append(f"processes: {own}")
        namespaces = set()
        for pid in own:
            for kind in ("mnt", "net", "pid", "ipc", "uts", "user"):
                try:
                    namespaces.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
                except OSError:
                    pass
        if os.getuid() == 0 and len(namespaces) != 6 * wanted + 5 * zygotes + 6:
            found.append(f"{len(namespaces)} namespaces")
        return found

    def _check_leftovers(self):
        end = time.monotonic() + SETTLE
        while (found := self._leftovers()) and time.monotonic() < end:
            self.keep_neighbour()
            threading.Event().wait(0.02)
        assert not found, found

    def _measure(self):
        pids = {"sandboxd": self.service.process.pid, "launcher": self.launcher}
        measured = {}
        for name, pid in pids.items():
            if os.access(f"/proc/{pid}/fd", os.R_OK):  # of one that is not dumpable: root only
                open_files = [read_link(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
                kept = sum(file.startswith(KEPT_PROGRAMS) for file in open_files)
                assert kept <= MOST_KEPT, f"{kept} programs are open"
                measured[f"{name} fds"] = len(open_files) - kept
            measured[f"{name} threads"] = int(status_field(pid, "Threads"))
            measured[f"{name} rss"] = int(status_field(pid, "VmRSS").split()[0])
            # Of the host, where others may mount what they like: those of a sandbox's making.
            points = [line.split()[4] for line in read(f"/proc/{pid}/mountinfo").splitlines()]
            measured[f"{name} mounts"] = sum(
                point == "/tmp" or point.startswith(SANDBOX_MOUNTS) for point in points)
        state = self.service.folder
        # The compile cache may keep what compiled: it has a bound of its own.
        measured["state files"] = sorted(
            str(p.relative_to(state)) for p in state.rglob("*") if p.parent.name != "compiled")
        return measured

    def _check_service(self):
        def differences():
            now, found = self._measure(), {}
            for key, before in self.baseline.items():
                slack = RSS_SLACK_KIB if key.endswith("rss") else 0
                over = now[key] != before if key == "state files" else now[key] > before + slack
                if over:
                    found[key] = (before, now[key])
            return found

        end = time.monotonic() + SETTLE
        while (found := differences()) and time.monotonic() < end:
            threading.Event().wait(0.02)
        assert not found, f"(before, after): {json.dumps(found)}"


def seconds(rfc3339):
    """Of the day, which is enough for differences."""
    clock = rfc3339.split("T")[1].rstrip("Z")
    hours, minutes, rest = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def parse_seconds(duration):
    return float(duration[:-2]) / 1000 if duration.endswith("ms") else float(duration[:-1])
