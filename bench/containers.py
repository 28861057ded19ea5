"""The docker backend beside the native one and beside a bare `docker exec`; a part of `./dev bench`.

Starts a dockerd and a runner of its own (tests/e2e/docker_engine.py), and a second service that uses
them. All three sides take turns, so that they see the same machine.
"""

import contextlib
import pathlib
import sys
import tempfile

from harness import ROOT, Client, in_threads, percentile, run_bare, service, timed
from jobs import GO_HELLO, PYTHON_HELLO

sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import docker_backend
import docker_engine

missing = docker_engine.missing
CASES = ("Python hello", "Go hello")
RUNNER = "bench-runner"


class Exec:
    """The bare side: one `docker exec` a run, of the interpreter or of `go run`."""

    def __init__(self, engine, docker, folder, sources):
        self.docker = docker
        self.folder = folder
        self.sources = sources
        self.env = engine.environment

    def _run(self, name, template, *command):
        code, expected = self.sources.take(template)
        # The folder is shared with the container. One file a source, as a service would have it.
        path = self.folder / f"{expected.split()[1]}-{name}"
        path.write_text(code)
        # The runner's /tmp takes no programs; the shared folder does.
        argv = [self.docker, "exec", "--env", "GOCACHE=/tmp/gocache", "--env", "GOTOOLCHAIN=local",
                "--env", f"GOTMPDIR={self.folder}", "--env", "CGO_ENABLED=0", RUNNER, *command,
                str(path)]
        try:
            run_bare(argv, self.env, expected)
        finally:
            path.unlink()

    def python(self):
        self._run("hello.py", PYTHON_HELLO, "python3")

    def go(self):
        self._run("hello.go", GO_HELLO, "go", "run")


def measure(cases, native_port, rounds, seconds, cores):
    """`native_port`: of the service that runs already."""
    with contextlib.ExitStack() as stack:
        engine = stack.enter_context(docker_engine.engine())
        jobs = stack.enter_context(docker_backend.job_folder())
        stack.enter_context(docker_backend.runner(engine, RUNNER, jobs))
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        folder.chmod(0o755)
        environment = docker_backend.settings(engine, jobs, SANDBOX_CONTAINER=RUNNER)
        _, port = stack.enter_context(service(folder, **environment))
        bare_folder = jobs / "bare"
        bare_folder.mkdir()
        bare_folder.chmod(0o777)
        bare = Exec(engine, docker_engine.DOCKER, bare_folder, cases.sources)
        plain = {"Python hello": bare.python, "Go hello": bare.go}
        numbers = {"latency": {}, "throughput": []}
        for name in CASES:
            case = cases.named(name)
            if case is not None:
                numbers["latency"][name] = latency(case, port, native_port, plain[name], rounds)
                numbers["throughput"] += throughput(case, port, native_port, plain[name], seconds,
                                                    cores)
        return numbers


def latency(case, port, native_port, plain, rounds):
    """All sides in turns; the first rounds warm them up."""
    docker, native = Client(port), Client(native_port)
    sides = {"docker": lambda: case.job(docker), "native": lambda: case.job(native), "exec": plain}
    samples = {side: [] for side in sides}
    for i in range(rounds + 3):
        for side, work in sides.items():
            took = timed(work)
            if i >= 3:
                samples[side].append(took)
    docker.close()
    native.close()
    return {"n": rounds, **{f"p{p}": {side: percentile(taken, p) for side, taken in samples.items()}
                            for p in (50, 90, 99)}}


def throughput(case, port, native_port, plain, seconds, cores):
    return [{"case": case.name, "clients": count,
             "docker": in_threads(case.job, count, seconds, lambda: (Client(port),)),
             "native": in_threads(case.job, count, seconds, lambda: (Client(native_port),)),
             "exec": in_threads(plain, count, seconds, tuple)} for count in (1, 2 * cores)]
