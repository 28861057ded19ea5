"""Interactors on the docker backend: the tests of the native one. Deadlocks are found there, too."""

import pytest

from docker_live import docker_mode, job_dir, service, start_service  # noqa: F401: fixtures
# Collected here, with the fixtures of this file.
from test_interactor import (  # noqa: F401
    interact, letters, test_cancel_endsBoth, test_deadlock_isAnIdlenessLimit,
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


def test_moreTestsThanSlots_areJudged(any_store):
    """Each pair needs two places, and there are fewer slots than pairs."""
    tests = [str(n) for n in range(1, 1001, 99)]
    assert letters(interact(any_store, tests=tests)) == ["AC"] * len(tests)
