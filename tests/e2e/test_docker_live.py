"""Live jobs on the docker backend: the tests of the native one, and what is a container's own."""

import pytest

from docker_live import docker_mode, job_dir, service, start_service  # noqa: F401: fixtures
from interactive import Session
from service import eventually
# Collected here, with the fixtures of this file.
from test_interactive import (  # noqa: F401
    READY, SLEEPS, test_interactive_bytesOfAnyKindPassBothWays,
    test_interactive_canBeCancelledByItsId, test_interactive_idleSessionIsEnded,
    test_interactive_inputForAProgramThatHasClosedItIsDropped,
    test_interactive_inputIsHeldBackForAProgramThatDoesNotRead, test_interactive_jobIsAJobLikeOthers,
    test_interactive_killIsASignalToo, test_interactive_killedServiceDoesNotRunTheJobAgain,
    test_interactive_limitsHold, test_interactive_nothingIsLeftOfManySessions,
    test_interactive_replAsksAndIsAnsweredLineByLine, test_interactive_signalPassesInputThatNobodyReads,
    test_interactive_signalReachesTheWholeGroup, test_interactive_signalsReachTheProgram,
    test_interactive_slowReaderMissesNothing, test_interactive_stdinOfTheSubmissionComesFirst,
    test_interactive_stopEndsSessions, test_interactive_streamsAreSeparate,
    test_interactive_streamsCanBeOpenedByName, test_interactive_withItsClientTheJobIsOver)

EVERYTHING_DIES = READY + """
import os, signal, time
for number in range(1, 32):
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0: time.sleep(300)
        os._exit(0)
time.sleep(300)
"""


@pytest.mark.parametrize("end", ["close", "vanish"])
def test_live_whatIgnoresAllSignalsEndsWithItsClient(service, end):
    with Session(service, EVERYTHING_DIES) as session:
        session.until_output(b"ready\n")
        getattr(session, end)()
        assert service.wait(session.job_id(), deadline=30)["status"] == "cancelled"
    service.nothing_left()


def test_live_sessionsTakeNoSlotOfAContainer(service):
    sessions = [Session(service, SLEEPS) for _ in range(4)]
    for session in sessions:
        session.until_output(b"ready\n")
    assert service.run("print(1)")["stdout"] == "1\n"
    for session in sessions:
        session.vanish()
    service.nothing_left()


def test_live_sessionTellsWhatItUses(service):
    with Session(service, READY + "input()\nwhile True: pass", limits={"cpu_time": "2s"}) as session:
        session.until_output(b"ready\n")
        idle = session.until(lambda message: message["type"] == "usage")["data"]
        assert idle["cpu_time_ms"] < 500 and idle["processes"] == 1
        session.stdin("\n")
        session.until(lambda message: message["type"] == "usage"
                      and message["data"]["cpu_time_ms"] > 500)
        assert session.result()["result"]["verdict"] == "cpu_time_limit"


def works_again(service):
    eventually(lambda: all(one["state"] == "up" for one in service.get("/health").json["containers"]),
               60, what="containers that are up")
    assert service.run("print('back')")["stdout"] == "back\n"
    service.nothing_left()


def test_live_containerThatDiesEndsItsSessions(docker, service):
    with Session(service, SLEEPS) as session:
        session.until_output(b"ready\n")
        killed = docker.output("ps", "--quiet").split()
        docker.run("kill", *killed, check=False)  # one for one use may be gone by itself
        last = session.until_closed()
    assert (last["type"], last["data"]["status"]) == ("result", "failed"), last
    assert "container" in last["data"]["error"]
    if not service.single_use:
        docker.run("start", *killed)
    works_again(service)


@pytest.mark.long
def test_live_sessionInAPausedContainerEndsWithItsClient(docker, service):
    """Also when input that it does not take is on its way."""
    with Session(service, SLEEPS) as session:
        session.until_output(b"ready\n")
        docker.run("pause", *docker.output("ps", "--quiet").split(), check=False)
        paused = docker.output("ps", "--quiet", "--filter", "status=paused").split()
        assert paused
        for _ in range(4):  # as much as is kept for it: beyond, the client would not be heard
            session.stdin(b"x" * 60_000)
        session.vanish()
        assert service.wait(session.job_id(), deadline=40)["status"] == "cancelled"
    docker.run("unpause", *paused, check=False)
    works_again(service)
