"""Fixtures that put a service with the docker backend in the place of the native one: a test file that
imports them and tests of other files runs these on it, in each mode."""

import contextlib
import shutil

import pytest

from contract import REPOSITORY
from docker_backend import assert_nothing_left, docker_service, job_folder, runner
from docker_engine import RUNNER_IMAGE
from service import eventually


@pytest.fixture(scope="module")
def job_dir():
    with job_folder() as folder:
        yield folder


@pytest.fixture(scope="module", params=[
    "exec", pytest.param("shared-user", marks=pytest.mark.long),
    pytest.param("single-use", marks=pytest.mark.long)])
def docker_mode(request, docker, job_dir):
    """The settings of a service, and how to see that nothing is left of its jobs."""
    languages = job_dir / "languages"
    languages.mkdir(exist_ok=True)
    shutil.copy(REPOSITORY / "config" / "languages" / "python.toml", languages)
    settings = {"SANDBOX_LANGUAGE_DIR": str(languages), "SANDBOX_SLOTS": "2"}
    if request.param == "single-use":
        settings |= {"SANDBOX_DOCKER_MODE": "single-use", "SANDBOX_DOCKER_IMAGE": RUNNER_IMAGE}
        spares = int(settings["SANDBOX_SLOTS"])
        yield settings, lambda: eventually(
            lambda: len(docker.output("ps", "--quiet").split()) <= spares, 20,
            what="the end of all containers but those that wait")
        # What was being made when the service ended is never started, and goes with its next start.
        eventually(lambda: not docker.output("ps", "--quiet"), what="the end of all")
        docker.remove(*docker.output("ps", "--all", "--quiet").split())
        return
    name = f"live-{request.param}"
    settings |= {"SANDBOX_CONTAINER": name}
    if request.param == "shared-user":
        settings |= {"SANDBOX_DOCKER_USER": "10001:10001"}
    with job_folder() as folder, runner(docker, name, folder):
        yield (settings | {"SANDBOX_JOB_DIR": str(folder)},
               lambda: assert_nothing_left(docker, name, folder))


@pytest.fixture(scope="module")
def service(docker, job_dir, docker_mode):
    with docker_service(docker, job_dir, **docker_mode[0]) as created:
        created.nothing_left = docker_mode[1]
        created.single_use = docker_mode[0].get("SANDBOX_DOCKER_MODE") == "single-use"
        yield created


@pytest.fixture
def start_service(docker, job_dir, docker_mode):
    with contextlib.ExitStack() as stack:
        yield lambda **environment: stack.enter_context(
            docker_service(docker, job_dir, **docker_mode[0], **environment))
