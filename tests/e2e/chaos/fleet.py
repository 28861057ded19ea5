"""The nodes, their Redis, and the network between one worker and it."""

import http.client
import pathlib
import shutil
import signal
import tempfile
import threading

import service
from contract import REPOSITORY
from redis_server import Proxy, RedisServer
from service import Service, eventually

from chaos.leftovers import Leftovers

PREFIX = "{code-sandbox}"
APIS, WORKERS, SLOTS = 3, 4, 2
LEASE = 2  # seconds
STOP_DEADLINE = 30


class Node:
    """A sandboxd that is killed and started again; knows whether it died of itself."""

    def __init__(self, name, environment, fleet):
        self.name = name
        self.service = Service(**environment)
        self.fleet = fleet
        service.RUNNING.append(self.service)

    @property
    def process(self):
        return self.service.process

    def start(self):
        self.service.launch()

    def check(self):
        if self.process.poll() is not None:
            self.fleet.problem(f"{self.name} exited by itself with {self.process.returncode}:\n"
                               f"{self.service.log(2000)}")
            return False
        return True

    def kill(self):
        """kill -9. What lives below it is remembered: it has to end as well."""
        if self.check():
            self.service.pause()
            self.fleet.remember(self.process.pid)
            self.service.kill()

    def kill_launcher(self):
        """kill -9 of the launcher alone, when it has one yet; the node has to exit, too."""
        if self.check() and self.service.launcher() is not None:
            self.fleet.remember(self.process.pid)
            code = self.service.kill_launcher()
            if code != 1:
                self.fleet.problem(f"{self.name} exited with {code} without its launcher:\n"
                                   f"{self.service.log(2000)}")
            return True
        return False

    def terminate(self):
        """SIGTERM, and the wait for the exit."""
        if self.check():
            self.fleet.remember(self.process.pid)
            code = self.service.terminate(STOP_DEADLINE)
            # One that has only just been started has no handler yet, and holds no job.
            if code not in (0, -signal.SIGTERM):
                self.fleet.problem(f"{self.name} answered SIGTERM with exit code {code}:\n"
                                   f"{self.service.log(2000)}")


class Fleet:
    def __init__(self, max_attempts):
        self.problems = []
        self._lock = threading.Lock()
        self.leftovers = Leftovers()
        self.redis = RedisServer("--maxmemory-policy", "noeviction",
                                 # ledger.py wants to see every write.
                                 "--auto-aof-rewrite-percentage", "0")
        self.redis.start()
        self.proxy = Proxy(self.redis.port)
        # Python alone: nodes that start often should start quickly.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="code-sandbox-chaos-"))
        self.folder.chmod(0o755)
        shutil.copy(REPOSITORY / "config" / "languages" / "python.toml", self.folder)
        common = {
            "JOB_STORE": "redis", "REDIS_ADDR": self.redis.address,
            "SANDBOX_LANGUAGE_DIR": str(self.folder), "SANDBOX_SLOTS": str(SLOTS),
            "SANDBOX_LEASE_TIME": f"{LEASE}s", "SANDBOX_MAX_ATTEMPTS": str(max_attempts),
            "HTTP_SHUTDOWN_TIMEOUT": "3s"}
        self.apis = [Node(f"api {n}", {**common, "ROLE": "api"}, self) for n in range(APIS)]
        self.workers = [Node(f"worker {n}", {**common, "ROLE": "worker"}, self)
                        for n in range(WORKERS - 1)]
        # This one's network is cut.
        self.workers.append(Node(f"worker {WORKERS - 1}", {
            **common, "ROLE": "worker", "REDIS_ADDR": self.proxy.address}, self))

    @property
    def nodes(self):
        return self.apis + self.workers

    def problem(self, text):
        with self._lock:
            self.problems.append(text)

    def remember(self, pid):
        with self._lock:
            return self.leftovers.remember(pid)

    def start(self):
        for node in self.nodes:
            node.start()
        self.until_ready()

    def until_ready(self):
        for node in self.nodes:
            # One that exits meanwhile is a problem that `check` has told.
            eventually(lambda: not node.check() or self._ready(node), 60,
                       what=f"{node.name} ready")

    @staticmethod
    def _ready(node):
        try:
            return node.service.get("/health/ready").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def stop(self):
        """Every node, gracefully; then nothing of theirs may be left."""
        for node in self.nodes:
            node.terminate()
        eventually(lambda: not self.leftovers.processes(), what="the end of all sandboxes")
        if left := self.leftovers.cgroups():
            self.problem(f"cgroups are left: {left}")

    def close(self):
        for node in self.nodes:
            service.RUNNING.remove(node.service)
            node.service.close()
        self.proxy.close()
        self.redis.close()
        shutil.rmtree(self.folder, ignore_errors=True)
