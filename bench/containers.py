"""The docker backend beside the native one and beside a bare `docker exec`; a part of `./dev bench`.

Starts a dockerd and a runner of its own (tests/e2e/docker_engine.py), and a second service that uses
them. All three sides take turns, so that they see the same machine.
"""

import contextlib
import pathlib
import sys
import tempfile

import bench

sys.path.insert(0, str(bench.ROOT / "tests" / "e2e"))

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
            bench.run_bare(argv, self.env, expected)
        finally:
            path.unlink()

    def python(self):
        self._run("hello.py", bench.PYTHON_HELLO, "python3")

    def go(self):
        self._run("hello.go", bench.GO_HELLO, "go", "run")


def interleaved(sides, rounds):
    """{name: samples}; the first rounds warm everything up."""
    samples = {name: [] for name, _ in sides}
    for i in range(rounds + 3):
        for name, work in sides:
            took = bench.timed(work)
            if i >= 3:
                samples[name].append(took)
    return samples


def measure(native, rounds, seconds, cores):
    """`native`: the Bench of the service that runs already. Prints tables, returns the numbers."""
    with contextlib.ExitStack() as stack:
        engine = stack.enter_context(docker_engine.engine())
        jobs = stack.enter_context(docker_backend.job_folder())
        stack.enter_context(docker_backend.runner(engine, RUNNER, jobs))
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        folder.chmod(0o755)
        environment = docker_backend.settings(engine, jobs, SANDBOX_CONTAINER=RUNNER)
        _, port = stack.enter_context(bench.service(folder, **environment))
        contained = bench.Bench(port, native.go, native.folder)
        bare_folder = jobs / "bare"
        bare_folder.mkdir()
        bare_folder.chmod(0o777)
        bare = Exec(engine, docker_engine.DOCKER, bare_folder, native.sources)
        return compare(native, contained, bare, rounds, seconds, cores)


def compare(native, contained, bare, rounds, seconds, cores):
    work = {
        "Python hello": (contained.python_job, native.python_job, bare.python),
        "Go hello": (contained.go_job, native.go_job, bare.go),
    }
    sides = ("docker", "native", "exec")
    numbers = {"latency": {}, "throughput": {}}
    print("Docker backend: latency of one job, milliseconds. exec = a bare docker exec.\n")
    rows = []
    clients = (bench.Client(contained.port), bench.Client(native.port))
    for name in CASES:
        docker, here, plain = work[name]
        samples = interleaved([("docker", lambda: docker(clients[0])),
                               ("native", lambda: here(clients[1])), ("exec", plain)], rounds)
        p50 = [bench.percentile(samples[side], 50) for side in sides]
        numbers["latency"][name] = {f"p{p}": {side: bench.percentile(samples[side], p)
                                              for side in sides} for p in (50, 90, 99)}
        rows.append([name, rounds, *p50, p50[0] / p50[2], p50[0] / p50[1]])
    for client in clients:
        client.close()
    bench.table(["case", "n", "p50 docker", "p50 native", "p50 exec", "docker/exec",
                 "docker/native"], rows)

    print("Docker backend: jobs a second.\n")
    rows = []
    for name in CASES:
        docker, here, plain = work[name]
        for count in (1, 2 * cores):
            rates = [contained.throughput(docker, count, seconds, True),
                     native.throughput(here, count, seconds, True),
                     native.throughput(plain, count, seconds, False)]
            numbers["throughput"][f"{name}, {count} clients"] = dict(zip(sides, rates))
            rows.append([name, count, *rates, rates[0] / rates[2] if rates[2] else 0.0,
                         rates[0] / rates[1] if rates[1] else 0.0])
    bench.table(["case", "clients", "docker/s", "native/s", "exec/s", "docker/exec",
                 "docker/native"], rows)
    return numbers
