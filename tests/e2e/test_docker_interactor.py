"""Interactors on the docker backend: the tests of the native one. Deadlocks are found there, too."""

import pytest

from docker_live import docker_mode, job_dir, service, start_service  # noqa: F401: fixtures
# Collected here, with the fixtures of this file.
from test_interactor import (  # noqa: F401
    HOSTILE, interact, letters, one, test_cancel_endsBoth, test_deadlock_isAnIdlenessLimit,
    test_floods_endInTheLimitOfWhoeverWrites, test_guessing_isJudgedByTheInteractor,
    test_interactorThatEndsAtOnce_decides, test_interactorThatHangs_isNotHeldAgainstTheProgram,
    test_manyExchanges_areNotSlow, test_oneLongLine_reachesTheInteractorWhole,
    test_points_groupsAndStopOnFailure_areThoseOfTests,
    test_programThatDiesOfTheInteractorsComplaint_isWrong,
    test_programThatFailsByItself_isNotTheInteractors,
    test_programThatGoesOnAfterItsSuccess_hasTheLastWord, test_theInteractorsFiles_areTestlibs,
    test_theInteractor_alsoHasTheJobsInputWhereATestHasNone,
    test_whoThinksInSilence_isNotIdle, test_wrongPrograms_areToldWhatIsWrong)


@pytest.fixture
def any_store(service):  # noqa: F811
    yield service
    service.nothing_left()


# In a long-lived container processes are seen: what of the interactor is not, is below.
@pytest.mark.parametrize("case", [case for case in HOSTILE if case != "looks for the interactor"])
def test_hostilePrograms_endAndLeaveNothing(any_store, case):
    code, verdicts = HOSTILE[case]
    test = one(any_store, code, timeout="1s", limits={"output_bytes": 100_000})
    assert test["verdict"] in verdicts, test


def test_filesOfTheInteractor_areOutOfReach(any_store):
    """Neither by the folder of all jobs nor by way of its process; its input is not to be had either."""
    looks = """
import glob, os, sys
jobs = os.path.dirname(os.path.dirname(os.getcwd()))
paths = [os.path.join(folder, name) for folder, _, names in os.walk(jobs) for name in names]
for path in paths + glob.glob("/proc/[0-9]*/cwd/*") + glob.glob("/proc/[0-9]*/fd/*"):
    if path.endswith("main.py") or path.startswith(f"/proc/{os.getpid()}/"):
        continue
    try:
        found = os.read(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 100)
    except OSError:
        continue
    if b"sec" + b"ret" in found: sys.exit(66)
print(7, flush=True)
input()
"""
    result = interact(any_store, looks, tests=[{"stdin": "7", "expected_output": "secret"}])
    assert result["verdict"] == "ok", result


def test_moreTestsThanSlots_areJudged(any_store):
    """Each pair needs two places, and there are fewer slots than pairs."""
    tests = [str(n) for n in range(1, 1001, 99)]
    assert letters(interact(any_store, tests=tests)) == ["AC"] * len(tests)
