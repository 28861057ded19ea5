"""The programs of tests/hostile/, several at once, and the invariants after each wave.

What test_hostile.py checks of each alone, but for its times, in a fraction of the time: to find out
which program of a wave broke an invariant, run `./dev test hostile`.
"""

import pytest

import attacks
from hostile import Host
from service import RUNNING

AT_ONCE = 8
ATTACKS = attacks.discover()
COUNT = -(-len(ATTACKS) // AT_ONCE)
# A wave has programs of several folders, so that no wave is of memory or of processor time alone.
WAVES = [ATTACKS[first::COUNT] for first in range(COUNT)]


@pytest.fixture(scope="module")
def host():
    created = Host(slots=AT_ONCE + 1, SANDBOX_COMPILE_TIMEOUT="10s")
    RUNNING.append(created.service)
    try:
        created.start()
        yield created
        created.check_neighbour()
    finally:
        RUNNING.remove(created.service)
        created.close()


@pytest.mark.parametrize("wave", WAVES, ids=lambda wave: wave[0].name)
def test_attacksAtOnce_areContained(host, wave):
    together = [attack for attack in wave if not attack.missing(host.isolation)]
    relaxed = {name for attack in together for name in attack.header.get("relax", {})}
    try:
        host.run_together(together)
    finally:
        host.check(relaxed)
