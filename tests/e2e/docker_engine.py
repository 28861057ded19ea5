"""A real dockerd of the tests' own: private socket, data and cgroup; nothing is left of it.

Debian's docker.io is all that it needs. No registry is asked for anything: the runner image is the
root that deploy/docker/import-runner.sh makes, kept in the build folder from one run to the next.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import uuid

from contract import REPOSITORY
from service import BUILD, eventually

DOCKERD = "/usr/sbin/dockerd"
# Named in full: the first `docker` in PATH may be another program, or another version.
DOCKER = "/usr/bin/docker"
IMPORT_RUNNER = REPOSITORY / "deploy" / "docker" / "import-runner.sh"
RUNNER_IMAGE = "code-sandbox-runner"
# Nobody but root reaches the socket: sandboxd, once it has given up root, may not.
SOCKET_GROUP = "root"
START_DEADLINE = 60
STOP_DEADLINE = 30
CALL_DEADLINE = 120


def missing():
    """Why no engine can run here, or None."""
    if os.geteuid() != 0:
        return "dockerd needs root"
    for program in (DOCKERD, DOCKER, "/usr/sbin/debootstrap"):
        if not os.access(program, os.X_OK):
            return f"{program} is missing: apt-get install docker.io debootstrap"
    return None


def runner_archive():
    """The root of the runner image as a tar archive, made once for each version of its script."""
    version = hashlib.sha256(IMPORT_RUNNER.read_bytes()).hexdigest()[:12]
    archive = BUILD / "docker" / f"runner-{version}.tar"
    if not archive.exists():
        for old in (BUILD / "docker").glob("runner-*.tar"):
            old.unlink()
        subprocess.run([IMPORT_RUNNER, "--no-import", "--archive", archive], check=True,
                       stdin=subprocess.DEVNULL, timeout=1200)
    return archive


def processes_with(text):
    """Pids of the processes in whose command line `text` is."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if text.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def mount_points():
    """(type, path) of every mount, the newest last."""
    mounts = []
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        mounts.append((after.split()[0], pathlib.Path(before.split()[4])))
    return mounts


class Engine:
    """A dockerd and its containers."""

    def __init__(self):
        # Not /tmp, which may be memory; and short, because paths of sockets are.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sandbox-docker-", dir="/var/tmp"))
        self.folder.chmod(0o711)
        self.socket = self.folder / "docker.sock"
        self.log_path = self.folder / "log"
        self.cgroup = f"code-sandbox.docker-{uuid.uuid4().hex[:12]}"
        self.environment = {
            "PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.folder), "DOCKER_CONFIG": str(self.folder / "client"),
            "DOCKER_HOST": f"unix://{self.socket}",
        }
        self.process = None

    def start(self):
        arguments = [
            DOCKERD, "--host", self.environment["DOCKER_HOST"], "--group", SOCKET_GROUP,
            "--data-root", self.folder / "data", "--exec-root", self.folder / "exec",
            "--pidfile", self.folder / "pid", "--config-file", self._config(),
            "--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", f"/{self.cgroup}",
            # The tests need no way out of the machine, and change none of its rules.
            "--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false",
            "--shutdown-timeout", "1", "--log-level", "warn",
        ]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                list(map(str, arguments)), env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd=self.folder, start_new_session=True)
        eventually(self._answers, START_DEADLINE, what=f"an answer of {DOCKERD}")
        return self

    def _config(self):
        file = self.folder / "daemon.json"  # so that the machine's own is not read
        file.write_text("{}")
        return file

    def _answers(self):
        assert self.process.poll() is None, f"dockerd ended at start:\n{self.log()}"
        return self.run("version", check=False).returncode == 0

    def log(self, size=8_000):
        return self.log_path.read_bytes()[-size:].decode(errors="replace")

    def run(self, *arguments, check=True, timeout=CALL_DEADLINE, extra_environment=None):
        """The finished `docker ARGUMENTS`; its output is text."""
        done = subprocess.run([DOCKER, *map(str, arguments)], text=True, capture_output=True,
                              env=self.environment | (extra_environment or {}),
                              stdin=subprocess.DEVNULL, timeout=timeout)
        assert not check or done.returncode == 0, f"docker {arguments}: {done.stderr}"
        return done

    def output(self, *arguments, **options):
        return self.run(*arguments, **options).stdout.strip()

    def import_runner(self):
        if not self.output("images", "--quiet", RUNNER_IMAGE):
            subprocess.run([IMPORT_RUNNER, "--archive", runner_archive(), RUNNER_IMAGE], check=True,
                           env=self.environment | {"SANDBOX_DOCKER_BIN": DOCKER},
                           stdin=subprocess.DEVNULL, timeout=600)
        return self

    def state(self, container):
        """Docker's own word: running, paused, exited; None for no such container."""
        done = self.run("inspect", "--type", "container", container, check=False)
        return json.loads(done.stdout)[0]["State"]["Status"] if done.returncode == 0 else None

    def processes(self, container):
        """Command lines of all that runs in a container."""
        return self.output("top", container, "-eo", "pid,args").splitlines()[1:]

    def remove(self, *containers):
        if containers:
            self.run("rm", "--force", "--volumes", *containers, check=False)

    def kill_daemon(self):
        """As a crash would: containers and their shims go on."""
        # Its containerd dies with it, a moment later. A daemon started in that moment would take the
        # old one for alive and wait for it in vain.
        pid = int((self.folder / "exec" / "containerd" / "containerd.pid").read_text())
        self.process.kill()
        self.process.wait(STOP_DEADLINE)
        eventually(lambda: not os.path.exists(f"/proc/{pid}"), STOP_DEADLINE,
                   what="the end of containerd")

    def close(self):
        if self.process is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        try:
            if self.process.poll() is None:
                with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
                    self.remove(*self.output("ps", "--all", "--quiet").split())
                self.process.send_signal(signal.SIGTERM)
                try:
                    self.process.wait(STOP_DEADLINE)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait(STOP_DEADLINE)
        finally:
            self._sweep()

    def _sweep(self):
        """Ends what outlived the daemon. Everything of it has the folder or the cgroup as its mark."""
        eventually(self._kill_leftovers, STOP_DEADLINE, what="the end of all containers")
        for _, path in reversed(mount_points()):
            if self.folder in path.parents:
                subprocess.run(["umount", "--lazy", path], check=False, capture_output=True)
        for folder in self._cgroups():
            for inner, _, _ in os.walk(folder, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(inner)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _cgroups(self):
        roots = [path for kind, path in mount_points() if kind in ("cgroup", "cgroup2")]
        return [root / self.cgroup for root in roots if (root / self.cgroup).is_dir()]

    def _kill_leftovers(self):
        pids = set(processes_with(str(self.folder)))
        for folder in self._cgroups():
            for inner, _, _ in os.walk(folder):
                with contextlib.suppress(OSError):
                    pids.update(map(int, (pathlib.Path(inner) / "cgroup.procs").read_text().split()))
        for pid in pids - {os.getpid()}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not pids - {os.getpid()}


@contextlib.contextmanager
def engine():
    """A running engine that has the runner image."""
    created = Engine()
    try:
        yield created.start().import_runner()
    finally:
        created.close()
