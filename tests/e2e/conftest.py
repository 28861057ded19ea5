import contextlib
import os

import pytest

import docker_engine
from modes import Mode
from service import RUNNING, SANDBOXD, running

IN_CI = os.environ.get("CI") == "true"


def pytest_configure(config):
    if not config.option.collectonly and not SANDBOXD.exists():
        raise pytest.UsageError(f"{SANDBOXD} is not built: run ./dev build, or set BUILD_DIR")


def pytest_collection_modifyitems(config, items):
    mode = Mode().name

    def other_mode(item):
        marker = item.get_closest_marker("modes")
        return marker is not None and mode not in marker.args

    left_out = [item for item in items if other_mode(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.skipped and IN_CI and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"a skip is a failure under CI=true: {report.longrepr}"
    if report.failed:
        for created in RUNNING:
            report.sections.append((f"log of sandboxd on port {created.port}", created.log()))


@pytest.fixture(scope="session")
def service():
    """A service with the default configuration, shared by all tests."""
    with running() as created:
        yield created


@pytest.fixture
def start_service():
    """Starts services with environments of their own: start_service(JOB_TTL="1s")."""
    with contextlib.ExitStack() as stack:
        yield lambda **environment: stack.enter_context(running(**environment))


@pytest.fixture(scope="session")
def docker():
    """A dockerd of the tests' own, with the runner image."""
    if missing := docker_engine.missing():
        pytest.skip(missing)
    with docker_engine.engine() as created:
        yield created


@pytest.fixture(scope="module")
def cold():
    """A service that starts nothing ahead, for comparison."""
    with running(SANDBOX_SLOTS="1", SANDBOX_WARM_START="off", JOB_STORE="memory") as created:
        yield created
