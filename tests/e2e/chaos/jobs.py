"""The jobs: each prints what only it can print."""

import dataclasses
import hashlib
import random

# Longer than a worker may be stopped: time that a program spends waiting for a stopped worker to read
# its output must not end it.
TIMEOUT = "30s"


@dataclasses.dataclass(frozen=True)
class Job:
    number: int
    kind: str
    body: dict
    stdout: str
    exit_code: int = 0

    def wrong(self, record):
        """What is wrong with the job's final record; None when nothing is."""
        if record["status"] != "completed":
            return f"{record['status']}: {record.get('error')}"
        result = record["result"]
        got = (result["verdict"], result["exit_code"], result["stdout"], result["stderr"])
        wanted = ("nonzero_exit" if self.exit_code else "ok", self.exit_code, self.stdout, "")
        if got != wanted:
            return f"{self.kind}: got {str(got)[:300]}, wanted {str(wanted)[:300]}"
        return None


def hello(n, _):
    return {"code": f"n = {n}\nprint('job', n, n * n)\n"}, f"job {n} {n * n}\n"


def reader(n, _):
    numbers = range(n, n + 100)
    return ({"code": f"import sys\nprint('job', {n}, sum(map(int, sys.stdin.read().split())))\n",
             "stdin": "\n".join(map(str, numbers))}, f"job {n} {sum(numbers)}\n")


def failing(n, rng):
    code = rng.randint(1, 120)
    return {"code": f"import sys\nprint('job', {n})\nsys.exit({code})\n"}, f"job {n}\n", code


def talkative(n, _):
    lines = [hashlib.sha256(f"{n} {i}".encode()).hexdigest() for i in range(1500)]
    return ({"code": f"import hashlib\nprint('job', {n})\nfor i in range(1500):\n"
                     f"    print(hashlib.sha256(f'{n} {{i}}'.encode()).hexdigest())\n"},
            f"job {n}\n" + "".join(line + "\n" for line in lines))


def slow(n, _):
    return ({"code": f"import time\nprint('job', {n}, flush=True)\ntime.sleep(0.5)\nprint('end')\n"},
            f"job {n}\nend\n")


def longer_than_a_lease(n, _):
    return ({"code": f"import time\nprint('job', {n}, flush=True)\ntime.sleep(2.5)\nprint('end')\n"},
            f"job {n}\nend\n")


WEIGHTS = {hello: 60, reader: 15, failing: 8, talkative: 5, slow: 9, longer_than_a_lease: 3}


def make(seed, number):
    rng = random.Random(f"{seed} job {number}")
    kind = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    body, stdout, *exit_code = kind(number, rng)
    body.update(language="python", timeout=TIMEOUT, priority=rng.choice([-1, 0, 0, 0, 1]))
    return Job(number, kind.__name__, body, stdout, *exit_code)
