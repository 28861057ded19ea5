"""Every program of tests/hostile/ through the API, and the invariants after each."""

import pytest

import attacks
from hostile import Host
from service import RUNNING

ATTACKS = attacks.discover()


@pytest.fixture(scope="module")
def host():
    created = Host()
    RUNNING.append(created.service)
    try:
        created.start()
        yield created
        created.check_neighbour()
    finally:
        RUNNING.remove(created.service)
        created.close()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_isContained(host, attack):
    missing = attack.missing(host.isolation)
    if missing:
        # Named by the isolation level itself: docs/security.md says what it loses.
        pytest.skip(f"isolation {host.isolation} lacks: {missing}")
    try:
        printed = []
        for _ in range(attack.header.get("rounds", 1)):
            result = host.run(attack)
            attack.check(result)
            printed.append(result["stdout"])
        attack.check_rounds(printed)
    finally:
        host.check(attack.header.get("relax", {}))
