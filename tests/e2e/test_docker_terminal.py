"""Terminals on the docker backend: the tests of the native one, and what is a container's own."""

import json

import pytest

from docker_live import docker_mode, job_dir, service, start_service  # noqa: F401: fixtures
# Collected here, with the fixtures of this file.
from test_terminal import (  # noqa: F401
    READY, answer, terminal, test_terminal_allOutputArrivesBeforeTheEnd,
    test_terminal_controlCharactersAreSignals, test_terminal_echoesAndEditsLines,
    test_terminal_endOfInputIsACharacter, test_terminal_floodOfInputThatNobodyReadsIsBounded,
    test_terminal_floodOfResizesIsHarmless, test_terminal_hasADefaultSizeAndTheClientsTerm,
    test_terminal_interpreterOfItsOwn, test_terminal_modesAreTheProgramsToSet,
    test_terminal_nothingIsLeftOfManySessions, test_terminal_nothingIsTypedForOthers,
    test_terminal_outputIsBounded, test_terminal_pasteOfAMegabyteArrivesWhole,
    test_terminal_resizeNeedsOne, test_terminal_resizeReachesTheProgram,
    test_terminal_shellWithJobControl, test_terminal_signalsAreSentAsWithPipes,
    test_terminal_timeIsBounded, test_terminal_whoHoldsItOpenDoesNotDelayTheEnd,
    test_terminal_withItsClientTheJobIsOver)

OPENS = """
import json, os
def opens(path):
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NOCTTY))
        return True
    except OSError:
        return False
"""


def test_terminal_isTheProgramsStreams(service):
    code = """
import json, os
print(json.dumps({"isatty": [os.isatty(n) for n in (0, 1, 2)], "names": len({os.ttyname(n) for n in (0, 1, 2)}),
                  "size": os.get_terminal_size(), "leader": os.getsid(0) == os.getpid() == os.tcgetpgrp(0),
                  "owner": os.fstat(0).st_uid == os.getuid(), "mode": os.fstat(0).st_mode & 0o777,
                  "tty": os.isatty(os.open("/dev/tty", os.O_RDWR))}))
"""
    assert answer(service, code, rows=31, cols=117) == {
        "isatty": [True] * 3, "names": 1, "size": [117, 31], "leader": True, "owner": True,
        "mode": 0o600, "tty": True}


def test_terminal_canBeOpenedAgainByName(service):
    code = """
import os, time
own = os.ttyname(0)
for n in (0, 1, 2): os.close(n)
time.sleep(0.2)  # nobody has it open
for name in ("/dev/tty", own, "/dev/stdin"):
    os.write(os.open(name, os.O_RDWR), b"opened\\n")
"""
    with terminal(service, code) as session:
        assert session.result()["result"]["stdout"] == "opened\r\n" * 3


def test_terminal_ofAnotherJobIsOutOfReach(service):
    """Neither by its name nor by a master."""
    code = OPENS + """
print(json.dumps([n for n in os.listdir("/dev/pts") if n.isdigit() and opens(f"/dev/pts/{n}")]))
"""
    shows = f"import os\nprint(os.ttyname(0), flush=True)\n{READY}input()"
    with terminal(service, shows) as other:
        other.until_output(b"ready\r\n")
        name = other.output().decode().split("\r\n")[0]
        assert json.loads(service.run(code)["stdout"]) == []
        own = answer(service, code)
        # In a container of its own it may have the same number.
        assert len(own) == 1 and (service.single_use or f"/dev/pts/{own[0]}" != name)


def test_terminal_ordinaryJobsHaveNone(service):
    code = OPENS + """
print(json.dumps([opens("/dev/tty"), os.isatty(0), "TERM" in os.environ]))
"""
    assert json.loads(service.run(code)["stdout"]) == [False, False, False]
