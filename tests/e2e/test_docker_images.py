"""The images of deploy/, built and run for real. No registry: the base is the runner's root."""

import http.client
import json
import shutil
import subprocess

import pytest
import yaml

from contract import REPOSITORY
from docker_backend import job_folder
from docker_engine import DOCKER, RUNNER_IMAGE
from service import BUILD, Client, eventually, free_port

pytestmark = pytest.mark.long  # images are built

DEPLOY = REPOSITORY / "deploy"
COMPOSE = ["/usr/bin/docker-compose", "--project-name", "predecessor", "--file",
           DEPLOY / "docker" / "compose.yaml"]
BASE = "debian:bookworm-slim"
BUILD_DEADLINE = 300

SUBMIT = """
import json, sys, urllib.request
def call(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request("http://127.0.0.1:8080" + path, data=data,
                                     headers={"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request, timeout=60))
print(json.dumps([call("/health")] + [call("/v1/execute", job) for job in json.loads(sys.argv[1])]))
"""


@pytest.fixture(scope="module")
def base(docker):
    """The engine, in which the Dockerfiles find their base."""
    docker.run("tag", RUNNER_IMAGE, BASE)
    return docker


def build(engine, file, context, image, *options):
    """Returns the image's name."""
    # The network of the machine: apt in the image reaches what the machine's own reaches.
    engine.run("build", "--network", "host", "--tag", image, *options, "--file", file, context,
               timeout=BUILD_DEADLINE, extra_environment={"DOCKER_BUILDKIT": "1"})
    return image


def in_image(engine, image, *command):
    return engine.output("run", "--rm", "--network", "none", image, *command)


@pytest.fixture(scope="module")
def runner(base):
    return build(base, DEPLOY / "docker" / "runner.Dockerfile", DEPLOY / "docker", "runner-built")


@pytest.fixture(scope="module")
def binaries(base, tmp_path_factory):
    """This build's programs, as the stage `build` of service.Dockerfile lays them out."""
    folder = tmp_path_factory.mktemp("binaries")
    subprocess.run([REPOSITORY / "tools" / "stage.sh", BUILD, folder / "out"], check=True)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY out /out\n")
    return build(base, folder / "Dockerfile", folder, "code-sandbox-binaries")


@pytest.fixture(scope="module")
def service_image(base, binaries):
    """service_image(target): its image."""
    return lambda target, *options: build(
        base, DEPLOY / "docker" / "service.Dockerfile", REPOSITORY, f"code-sandbox-{target}",
        "--target", target, "--build-arg", f"BINARIES={binaries}", *options)


@pytest.mark.parametrize("image", ["runner-built", RUNNER_IMAGE])
def test_runnerImage_hasToolchainsAndAUser(docker, runner, image):
    assert in_image(docker, image, "python3", "-c", "print(6 * 7)") == "42"
    assert in_image(docker, image, "go", "version").startswith("go version go1.")
    assert in_image(docker, image, "id", "sandbox") == (
        "uid=10001(sandbox) gid=10001(sandbox) groups=10001(sandbox)")


@pytest.mark.parametrize("image", ["runner-built", RUNNER_IMAGE])
def test_runnerImage_hasNothingThatGainsPrivileges(docker, runner, image):
    assert in_image(docker, image, "find", "/", "-xdev", "-type", "f", "-perm", "/6000") == ""


def test_apiImage_runsAsAUserOfItsOwn(docker, service_image):
    image = service_image("api")
    assert docker.output("image", "inspect", "--format", "{{.Config.User}}", image) == "sandboxd"
    version = (REPOSITORY / "VERSION").read_text().strip()
    assert in_image(docker, image, "--version") == version


def run_options(service):
    """What `docker run` needs in order to do as the Compose file says."""
    options = ["--cgroupns", service["cgroup"]]
    for flag, key in (("--cap-drop", "cap_drop"), ("--cap-add", "cap_add"),
                      ("--security-opt", "security_opt")):
        for value in service[key]:
            options += [flag, value]
    for volume in service["volumes"]:
        if volume.startswith("/"):
            options += ["--volume", volume]
    return options


def test_workerImage_runsJobsFullyIsolatedWithThePrivilegesOfTheComposeFile(docker, service_image):
    service = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]["worker"]
    docker.run("run", "--detach", "--name", "worker", "--network", "none", *run_options(service),
               "--env", "SANDBOX_MIN_ISOLATION=full", "--env", "JOB_STORE=memory",
               service_image("worker"))

    def healthy():
        assert docker.state("worker") == "running", docker.run("logs", "worker").stderr
        return " on http://" in docker.run("logs", "worker").stderr

    try:
        eventually(healthy, 120, what="the worker's start")
        jobs = [
            {"language": "python", "code": "print(6 * 7)", "wait": "30s"},
            {"language": "go", "code": "package main\nfunc main() { println(1) }", "wait": "30s"},
            {"language": "python", "code": "x = bytearray(1 << 30)", "wait": "30s"},
            {"language": "python", "code": "while True: pass", "timeout": "1s", "wait": "30s"},
        ]
        health, *done = json.loads(docker.output("exec", "worker", "python3", "-c", SUBMIT,
                                                 json.dumps(jobs)))
        assert health["isolation"] == "full"
        assert [job["result"]["verdict"] for job in done] == ["ok", "ok", "memory_limit", "time_limit"]
        assert done[0]["result"]["stdout"] == "42\n"
    finally:
        docker.remove("worker")


@pytest.fixture
def compose(docker, base, service_image, tmp_path):
    """compose(*arguments) on deploy/docker/compose.yaml, with images made here."""
    (tmp_path / "Dockerfile").write_text(
        f"FROM {BASE}\n"
        "RUN apt-get update && apt-get install -y --no-install-recommends redis-server\n"
        "WORKDIR /data\n")
    build(docker, tmp_path / "Dockerfile", tmp_path, "redis:7-bookworm")
    client = tmp_path / "client"
    client.mkdir()
    shutil.copy(DOCKER, client / "docker")
    (client / "Dockerfile").write_text("FROM scratch\nCOPY docker /usr/local/bin/docker\n")
    build(docker, client / "Dockerfile", client, "docker-cli")
    docker.run("tag", service_image("docker", "--build-arg", "DOCKER_CLI=docker-cli"),
               "code-sandbox")
    with job_folder() as jobs:
        environment = docker.environment | {
            "HTTP_PORT": str(free_port()), "REDIS_PORT": str(free_port()),
            "SANDBOX_JOB_DIR": str(jobs), "DOCKER_SOCKET": str(docker.socket),
            "SANDBOX_CONTAINER": "predecessors-runner",
        }

        def call(*arguments):
            done = subprocess.run([*COMPOSE, *arguments], env=environment, text=True, timeout=180,
                                  capture_output=True, stdin=subprocess.DEVNULL)
            assert done.returncode == 0, done.stderr
            return done.stdout

        call.client = Client(int(environment["HTTP_PORT"]))
        try:
            yield call
        finally:
            call("down", "--volumes", "--timeout", "1")


def test_composeFile_worksAsInThePredecessorsReadme(compose):
    compose("up", "-d", "runner")
    compose("up", "-d", "redis")
    compose("up", "-d", "api")

    def health():
        try:
            return compose.client.get("/health").json
        except (OSError, http.client.HTTPException):
            return None

    try:
        found = eventually(health, 120, what="the API's start")
    except AssertionError:
        pytest.fail(compose("logs", "api"))
    assert (found["backend"], found["store"]) == ("docker", "redis")
    assert compose.client.run("print(6 * 7)")["stdout"] == "42\n"
    assert compose.client.run("package main\n\nfunc main() { print(42) }\n",
                              "go")["stderr"] == "42"
