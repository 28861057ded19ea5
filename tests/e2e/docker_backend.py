"""Services with SANDBOX_BACKEND=docker on the tests' own engine, and the runners that they use."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import yaml

from contract import REPOSITORY
from docker_engine import DOCKER, RUNNER_IMAGE
from service import SANDBOXD, base_environment, eventually, free_port, running

COMPOSE = REPOSITORY / "deploy" / "docker" / "compose.yaml"
REFUSAL_DEADLINE = 120


def runner_options(job_dir, network):
    """What `docker run` needs in order to do as the Compose file says of the runner."""
    service = yaml.safe_load(COMPOSE.read_text())["services"]["runner"]
    options = ["--init", "--network", network or service["network_mode"], "--read-only",
               "--shm-size", service["shm_size"], "--pids-limit", service["pids_limit"],
               "--memory", service["mem_limit"], "--memory-swap", service["memswap_limit"],
               "--ulimit", f"core={service['ulimits']['core']}", "--volume", f"{job_dir}:{job_dir}"]
    assert service["init"] and service["read_only"]
    for flag, key in (("--tmpfs", "tmpfs"), ("--cap-drop", "cap_drop"), ("--cap-add", "cap_add"),
                      ("--security-opt", "security_opt")):
        for value in service[key]:
            options += [flag, value]
    return options


@contextlib.contextmanager
def job_folder():
    """A SANDBOX_JOB_DIR on disk, open to all as /tmp/jobs is."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sandbox-jobs-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def runner(engine, name, job_dir, *options, network=None):
    """A runner container as the Compose file has it, with further options of `docker run`."""
    engine.run("run", "--detach", "--name", name, *runner_options(job_dir, network), *options,
               RUNNER_IMAGE)
    try:
        yield name
    finally:
        engine.remove(name)


def settings(engine, job_dir, **environment):
    return {
        "SANDBOX_BACKEND": "docker", "SANDBOX_DOCKER_BIN": DOCKER, "SANDBOX_JOB_DIR": str(job_dir),
        "DOCKER_HOST": engine.environment["DOCKER_HOST"],
        "DOCKER_CONFIG": engine.environment["DOCKER_CONFIG"],
    } | environment


@contextlib.contextmanager
def docker_service(engine, job_dir, **environment):
    with running(**settings(engine, job_dir, **environment)) as created:
        yield created


def refusal(engine, job_dir, **environment):
    """What sandboxd says on stderr when it does not start."""
    with tempfile.TemporaryDirectory() as state:
        os.chmod(state, 0o755)
        done = subprocess.run(
            [SANDBOXD], capture_output=True, text=True, timeout=REFUSAL_DEADLINE, cwd="/",
            stdin=subprocess.DEVNULL,
            env=base_environment() | {"STATE_DIR": state, "HTTP_PORT": str(free_port())}
            | settings(engine, job_dir, **environment))
    assert done.returncode != 0
    return done.stderr


def container(service, name):
    """What GET /health says of a container."""
    found = [one for one in service.get("/health").json["containers"] if one["name"] == name]
    return found[0] if found else None


def wait_for_state(service, name, state, deadline=60):
    def there():
        one = container(service, name)
        return one if one is not None and one["state"] == state else None

    return eventually(there, deadline, what=f"{name} to be {state}: {container(service, name)}")


def job_processes(engine, name):
    """Command lines of what runs in a container besides what it was started with."""
    return [line for line in engine.processes(name)
            if "docker-init" not in line and "sleep infinity" not in line]


def assert_nothing_left(engine, name, job_dir):
    """Nothing of any job runs in the container, and no folder or file of one is there."""
    eventually(lambda: not job_processes(engine, name), 10, what="the end of all jobs' processes")
    folders = list((job_dir / "jobs").iterdir())
    assert folders == [], f"folders of jobs are left: {folders}"
    # -xdev: the job folder is mounted below /var/tmp.
    files = engine.output("exec", name, "find", "/tmp", "/var/tmp", "/dev/shm", "-xdev",
                          "-mindepth", "1", "-not", "-user", "root")
    assert files == "", f"files of jobs are left: {files}"
