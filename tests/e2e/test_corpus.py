"""Every id of the corpus of known attacks is stood for: tests/hostile/corpus.toml says by what."""

import re
import tomllib

import pytest

import attacks
from contract import REPOSITORY

CORPUS = tomllib.loads((attacks.ROOT / "corpus.toml").read_text())
ATTACKS = attacks.discover()
PROGRAMS = {attack.id for attack in ATTACKS}
OWN = "H"  # ids of attacks that are of no corpus


@pytest.mark.parametrize("identity", CORPUS["programs"])
def test_program_isThere(identity):
    assert identity in PROGRAMS


@pytest.mark.parametrize("identity", CORPUS["tests"])
def test_test_isThere(identity):
    assert CORPUS["tests"][identity]
    for place in CORPUS["tests"][identity]:
        file, _, name = place.partition("::")
        path = REPOSITORY / file
        assert path.is_file(), place
        test = rf"^ *def {name}\(" if path.suffix == ".py" else rf"^(TEST|TEST_[FP])\(\w+, {name}\)"
        assert not name or re.search(test, path.read_text(), re.MULTILINE), place


def test_programs_areListed():
    listed = set(CORPUS["programs"])
    assert {identity for identity in PROGRAMS if not identity.startswith(OWN)} <= listed
    assert len(listed) == len(CORPUS["programs"])


def test_absentIds_areStoodForByNothing():
    assert not set(CORPUS["absent"]) & (set(CORPUS["programs"]) | set(CORPUS["tests"]))


def test_ownAttacks_areMany():
    assert sum(attack.id.startswith(OWN) for attack in ATTACKS) >= 40
