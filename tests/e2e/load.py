"""Hostile and honest jobs at the same time."""

import random
import time

import attacks
from hostile import HealthWatch

# Those that end by their own limit within seconds, whatever else runs on the machine.
GROUPS = ("resources", "process", "output", "escape", "leaks", "kernel", "files")


def hostile_programs():
    return [a for a in attacks.discover()
            if a.path.parent.name in GROUPS and a.language == "python" and "stdin_size" not in a.header]


def honest(number):
    """A submission and the output that it must have."""
    seed = number * 7919 % 1000 + 5
    if number % 10 == 9:
        code = ("package main\n\nimport \"fmt\"\n\nfunc main() {\n\tvar n, s int\n\tfmt.Scan(&n)\n"
                "\tfor i := 1; i <= n; i++ {\n\t\ts += i * i\n\t}\n"
                f"\tfmt.Println(\"token-{number}\", s)\n}}\n")
        body = {"language": "go", "code": code}
    else:
        code = f"n = int(input())\nprint('token-{number}', sum(i * i for i in range(1, n + 1)))\n"
        body = {"language": "python", "code": code}
    body.update(stdin=f"{seed}\n", timeout="60s")
    return body, f"token-{number} {sum(i * i for i in range(1, seed + 1))}\n"


def run_mixed(host, hostile, honest_count, seed=1):
    """Submits all at once; checks each honest job; returns figures."""
    chooser = random.Random(seed)
    programs = hostile_programs()
    plan = [("hostile", None)] * hostile + [("honest", n) for n in range(honest_count)]
    chooser.shuffle(plan)
    started = time.monotonic()
    with HealthWatch(host.service) as watch:
        jobs = []
        for kind, number in plan:
            if kind == "honest":
                body, expected = honest(number)
            else:
                body, expected = chooser.choice(programs).submission(host.tokens), None
            answer = host.service.post(body)
            assert answer.status == 202, answer.body[:500]
            jobs.append((answer.json["id"], expected))
        verdicts = {}
        for job_id, expected in jobs:
            job = host.service.wait(job_id, deadline=400)
            assert job["status"] == "completed", job
            verdict = job["result"]["verdict"]
            assert verdict != "internal_error", job
            if expected is None:
                verdicts[verdict] = verdicts.get(verdict, 0) + 1
            else:
                assert (verdict, job["result"]["stdout"]) == ("ok", expected), job
    return {"jobs": len(jobs), "seconds": round(time.monotonic() - started, 1),
            "hostile verdicts": verdicts, "health requests": len(watch.latencies),
            "health p50 ms": round(watch.percentile(0.5) * 1000, 1),
            "health p99 ms": round(watch.percentile(0.99) * 1000, 1),
            "health max ms": round(max(watch.latencies) * 1000, 1)}
