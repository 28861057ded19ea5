"""The short form of `./dev chaos`."""

import random

from chaos.run import chaos

SECONDS, JOBS = 25, 400


def test_chaos_losesNothingAndRepeatsNothing():
    seed = random.randrange(10**6)
    print(f"again: ./dev chaos {SECONDS} --jobs {JOBS} --seed {seed}")
    report = chaos(SECONDS, JOBS, seed)
    print(report.summary())
    assert not report.problems, "\n".join(report.problems[:20])
    assert report.acknowledged == JOBS
    # Without these nothing was tried.
    for kind in ("worker killed", "worker stopped", "api killed", "api stopped"):
        assert report.faults.get(kind, 0) > 0, report.faults
    for victim in ("redis", "network"):
        assert any(kind.startswith(victim) for kind in report.faults), report.faults
    assert report.takeovers > 0
