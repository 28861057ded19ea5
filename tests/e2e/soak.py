#!/usr/bin/python3
"""The long load: 200 hostile with 200 honest jobs at once, then many thousand one after the other.

  BUILD_DIR=build tests/e2e/soak.py [--jobs 10000] [--mixed 200]

Prints its figures as JSON lines and fails when an honest job is wrong, /health is slow, memory grows
or anything is left behind.
"""

import argparse
import json
import queue
import random
import sys
import threading
import time

import load
from hostile import Host, status_field

# What of its memory the service may keep: caches of the store and of the allocator.
GROWTH_KIB = 16 << 10
SMALL = (
    "print('hello')",
    "import os\nos.fork()\nprint('hello', flush=True)",
    "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(100)\nprint('hello', flush=True)",
    "import os\nfor _ in range(20):\n    if os.fork() == 0:\n        os._exit(0)\nprint('hello')",
    "open('/dev/shm/x', 'w').write('x' * 1000000)\nprint('hello')",
    "import socket\na, b = socket.socketpair()\na.send(b'x' * 100000)\nprint('hello')",
    "import os\nos.symlink('/etc/shadow', 'x')\nos.remove('main.py')\nprint('hello')",
    "import threading\n[threading.Thread(target=print, args=('',)).start() for _ in range(20)]\nprint('hello')",
)


def report(**figures):
    print(json.dumps(figures), flush=True)


def memory(host):
    return {name: int(status_field(pid, "VmRSS").split()[0])
            for name, pid in (("sandboxd", host.service.process.pid), ("launcher", host.launcher))}


def mixed(count):
    host = Host(slots=64, neighbour=False, SANDBOX_MEMORY="64MiB", SANDBOX_COMPILE_TIMEOUT="3m",
                SANDBOX_MAX_TIMEOUT="5m")
    try:
        host.start()
        for _ in range(2):  # what as many jobs, and what compiled programs kept, cost once is no leak
            load.run_mixed(host, count, count)
        host.take_baseline()
        figures = load.run_mixed(host, count, count)
        host.check()
        report(load=f"{count} hostile and {count} honest at once", leftovers=0, **figures)
        assert figures["health p99 ms"] < 100, figures
    finally:
        host.close()


def many(count):
    host = Host(slots=4, neighbour=False, JOB_TTL="1m")
    try:
        host.start()
        chooser = random.Random(1)
        numbers = queue.Queue()
        for number in range(count):
            numbers.put((number, chooser.choice(SMALL)))
        failures, samples, started = [], [], time.monotonic()

        def work():
            while not failures:
                try:
                    number, code = numbers.get_nowait()
                except queue.Empty:
                    return
                answer = host.service.post({"language": "python", "code": code, "wait": "30s"})
                result = (answer.json or {}).get("result", {})
                if result.get("verdict") != "ok" or "hello" not in result["stdout"]:
                    failures.append(answer.body[:500])
                if number % max(1, count // 10) == 0:
                    samples.append({"job": number, **memory(host)})

        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert not failures, failures
        host.check()
        samples.append({"job": count, **memory(host)})
        spent = time.monotonic() - started
        report(load=f"{count} jobs", seconds=round(spent, 1), jobs_per_second=round(count / spent, 1),
               leftovers=0, rss_kib=samples)
        for name in ("sandboxd", "launcher"):
            settled = samples[1][name]
            assert samples[-1][name] <= settled + GROWTH_KIB, samples
    finally:
        host.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--mixed", type=int, default=200)
    arguments = parser.parse_args()
    if arguments.mixed:
        mixed(arguments.mixed)
    if arguments.jobs:
        many(arguments.jobs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
