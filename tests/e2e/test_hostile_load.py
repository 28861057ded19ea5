"""Hostile jobs beside honest ones: every honest job is right, the service stays quick, nothing is left."""

import pytest

from hostile import Host
from load import run_mixed
from service import RUNNING


@pytest.fixture
def host():
    created = Host(slots=6, neighbour=False, SANDBOX_MEMORY="96MiB", SANDBOX_COMPILE_TIMEOUT="60s")
    RUNNING.append(created.service)
    try:
        created.start()
        yield created
    finally:
        RUNNING.remove(created.service)
        created.close()


def test_hostileJobsAtOnce_leaveHonestOnesAndHealthAlone(host):
    figures = run_mixed(host, hostile=40, honest_count=40)
    print(figures)
    host.check()
    assert figures["health p99 ms"] < 100, figures
