"""Judging beside bare runs, and a batch beside single submissions: a part of bench.py."""

import json
import os
import subprocess
import time

from harness import Client, until_idle
from jobs import Case

# About a millisecond.
PROGRAM = """#include <stdio.h>

int main(void) {
    unsigned long n, x = 0;
    if (scanf("%lu", &n) != 1) return 1;
    for (int i = 0; i < 700000; ++i) x = x * 6364136223846793005UL + n;
    printf("%lu %s\\n", n + 1, x == 1 ? "one" : "other");
}
"""
GCC = "/usr/bin/gcc"


def expected(n):
    return f"{n + 1} other\n"


def tests_of(count):
    return [{"stdin": f"{n}\n", "expected_output": expected(n)} for n in range(count)]


def build(folder):
    """The path of the program, compiled for the bare side."""
    source = folder / "judged.c"
    source.write_text(PROGRAM)
    program = str(folder / "judged")
    subprocess.run([GCC, "-O2", "-o", program, str(source)], check=True)
    return program


def case(folder, tests):
    """A judge job of so many tests; the bare side is one run of the program."""
    program = build(folder)
    return Case(f"C program of 1 ms, one of {tests} tests", "c", PROGRAM,
                lambda client: judge(client, tests), lambda: bare_run(program, 1),
                {"tests": tests_of(tests)}, '"result":{"verdict":"ok"')


def judge(client, tests):
    """Seconds of a judge job of so many tests, all of which must pass."""
    submission = {"language": "c", "code": PROGRAM, "wait": "60s", "tests": tests_of(tests)}
    started = time.perf_counter()
    status, answer = client.call("POST", "/v1/execute", json.dumps(submission).encode())
    seconds = time.perf_counter() - started
    job = json.loads(answer)
    if status != 200 or job["result"]["verdict"] != "ok":
        raise RuntimeError(f"the judge job went wrong ({status}): {answer.decode()[:2000]}")
    return seconds


def bare_run(program, n):
    stdin, feed = os.pipe()
    drain, stdout = os.pipe()
    os.write(feed, f"{n}\n".encode())
    os.close(feed)
    actions = [(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, stdout, 1),
               (os.POSIX_SPAWN_CLOSE, drain)]
    pid = os.posix_spawn(program, [program], {}, file_actions=actions)
    os.close(stdin)
    os.close(stdout)
    with os.fdopen(drain, "rb") as pipe:
        output = pipe.read()
    _, status = os.waitpid(pid, 0)
    if status != 0 or output.decode() != expected(n):
        raise RuntimeError(f"the bare program went wrong: {status}, {output!r}")


def bare(program, runs, at_once):
    """Seconds of so many runs of the program."""
    # As many of these processes, since the threads of one would take turns.
    started = time.perf_counter()
    workers = []
    for worker in range(at_once):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for n in range(worker, runs, at_once):
                    bare_run(program, n)
                code = 0
            finally:
                os._exit(code)
        workers.append(pid)
    statuses = [os.waitpid(pid, 0)[1] for pid in workers]
    if any(statuses):
        raise RuntimeError(f"a bare run went wrong: {statuses}")
    return time.perf_counter() - started


def submit(port, jobs, in_batch):
    """Seconds until so many hello jobs have been accepted."""
    submissions = [{"language": "python", "code": f"print({n})"} for n in range(jobs)]
    client = Client(port)
    started = time.perf_counter()
    if in_batch:
        status, answer = client.call(
            "POST", "/v1/batch", json.dumps({"jobs": submissions}).encode())
        accepted = sum("job" in item for item in json.loads(answer)["jobs"])
    else:
        accepted = 0
        for submission in submissions:
            status, answer = client.call("POST", "/v1/execute", json.dumps(submission).encode())
            accepted += status == 202
    seconds = time.perf_counter() - started
    client.close()
    if accepted != jobs:
        raise RuntimeError(f"{accepted} of {jobs} jobs were accepted ({status})")
    return seconds


def measure(port, folder, quick):
    """Of the judge job the best of a few rounds, by its ratio to the bare runs after it."""
    tests, rounds, jobs = (200, 2, 100) if quick else (1000, 3, 1000)
    program = build(folder)
    client = Client(port)
    judge(client, 2)  # compiles it
    pairs = [(judge(client, tests), bare(program, tests, 2)) for _ in range(rounds)]
    client.close()
    judged, runs = min(pairs, key=lambda pair: pair[0] / pair[1])
    single = submit(port, jobs, False)
    until_idle(port)
    batch = submit(port, jobs, True)
    until_idle(port)
    return {"tests": tests, "tests_s": judged, "bare_s": runs, "jobs": jobs, "batch_s": batch,
            "single_s": single}
