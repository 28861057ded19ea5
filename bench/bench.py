"""Measures jobs through the HTTP API against the bare commands, in one run and as ratios.

    ./dev bench [--quick] [--only SECTION,...] [--peer NAME=URL]... [--write DOCUMENT] [--json FILE]
    ./dev bench --from FILE [--write DOCUMENT]

Starts the real service on a free port with a fresh state folder. One job through HTTP, one bare
command, and so on in turns, so that both see the same machine. Sources are unique unless a row says
"same source". Needs the Python standard library and, for what many clients do, build/load (load.cc).
Where Docker is present (docker.io, debootstrap, root), the docker backend is measured, too, beside
the native one and a bare `docker exec` (containers.py).

--write puts the tables between the marks of a document, docs/performance.md, and the numbers beside
it, docs/performance.json; --from takes the numbers that --json has kept instead of measuring. A
section that fails is named, and the others are measured; the status is then 1.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import about
import floors
import jobs
import judge
import peers
import processor
import report
import streams
from harness import (BUILD, Client, metrics, proportional_kib, resident_kib, run_job, service, tree,
                     until_ready)

SECTIONS = ("latency", "throughput", "processor", "floors", "idle", "burst", "interactive", "polls",
            "submits", "judge", "streams", "waits", "backlog", "docker", "peers")


class Run:
    """One run against one service: measures section by section and keeps the numbers."""

    def __init__(self, process, port, folder, options):
        self.process = process
        self.port = port
        self.folder = folder
        self.options = options
        self.cores = os.cpu_count() or 1
        self.rounds, self.seconds = (10, 1.0) if options.quick else (100, 5.0)
        self.numbers = {}
        self.failed = False
        client = Client(port)
        health = json.loads(client.call("GET", "/health")[1])
        languages = json.loads(client.call("GET", "/v1/languages")[1])["languages"]
        until_ready(client)
        client.close()
        found = {l["id"]: l["version"] for l in languages if l["available"]}
        self.idle_kib = {"sandboxd_kib": resident_kib(process.pid),
                         "all_proportional_kib": sum(map(proportional_kib, tree(process.pid)))}
        go = jobs.find_go(options.go, found["go"]) if "go" in found else None
        self.cases = jobs.Cases(found, go, folder)
        self.hello = self.cases.named("Python hello")
        self.numbers["about"] = about.machine("./dev bench") | {
            name: health[name] for name in ("version", "isolation", "backend", "store")}
        self.numbers["about"]["languages"] = found
        missing = self.numbers["about"]["missing"]
        missing += [f"{what} is not installed" for what in self.cases.missing]
        if self.hello is None:
            raise RuntimeError("the service has no Python, which the benchmark is about")

    def all(self):
        print(report.section("about", self.numbers), flush=True)
        for name in self.options.only:
            print(f"bench: {name}", file=sys.stderr, flush=True)
            try:
                measured = getattr(self, name)()
            except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
                self.failed = True
                self._leave_out(f"{name} failed: {str(error).splitlines()[0]}")
                print(f"bench: {name}: {error}", file=sys.stderr, flush=True)
                continue
            if measured is not None:
                self.numbers[name] = measured
                print(report.section(name, self.numbers), flush=True)
        after = resident_kib(self.process.pid)
        self.numbers["memory"] = {**self.idle_kib, "sandboxd_after_kib": after}
        self.numbers["pool"] = self.pool()
        for name in ("memory", "pool"):
            print(report.section(name, self.numbers), flush=True)
        print(report.summary(self.numbers), flush=True)

    def pool(self):
        """Of the sandboxes made ahead, from GET /metrics."""
        client = Client(self.port)
        values = metrics(client)
        client.close()
        kinds = {labels["kind"]: None for name, labels, _ in values if name == "sandbox_pool"}

        def of(kind, name, label):
            return {labels[label]: value for found, labels, value in values
                    if found == name and labels["kind"] == kind}

        return {kind: {"built": int(of(kind, "sandbox_pool_built_total", "kind")[kind]),
                       "seconds": of(kind, "sandbox_pool_build_seconds_total", "step"),
                       "claims": {found: int(count) for found, count in
                                  of(kind, "sandbox_pool_claims_total", "found").items()}}
                for kind in sorted(kinds)}

    def _leave_out(self, why):
        self.numbers["about"]["missing"].append(why)

    def latency(self):
        jobs.fill_go_cache(self.cases.all)
        return jobs.latency(self.port, self.cases.all, self.rounds)

    def throughput(self):
        return jobs.throughput(self.port, self.cases.all, self.seconds, self.cores)

    def processor(self):
        cases = [(case, jobs.MANY_CLIENTS, 1) for case in self.cases.all
                 if case.name in processor.CASES]
        if "c" in self.numbers["about"]["languages"]:
            tests = processor.TESTS
            cases.append((judge.case(self.folder, tests), self.cores, tests))
        return processor.measure(self.process.pid, self.port, cases, self.seconds, self.cores)

    def floors(self):
        return floors.measure(self.folder, self.cases.all, self.rounds)

    def idle(self):
        return jobs.first_after_idle(self.port, self.hello, 10, 2 if self.options.quick else 7)

    def burst(self):
        return jobs.burst(self.port, self.hello, self.seconds, 3 if self.options.quick else 7)

    def interactive(self):
        return jobs.interactive(self.port, self.hello, 20 if self.options.quick else 100)

    def polls(self):
        client = Client(self.port)
        job_id = run_job(client, "python", *self.cases.sources.take(jobs.PYTHON_HELLO))["id"]
        client.close()
        return streams.polls(self.port, job_id, self.seconds)

    def submits(self):
        return streams.submits(self.folder, self.seconds)

    def judge(self):
        if "c" not in self.numbers["about"]["languages"]:
            return self._leave_out("judge: there is no C compiler")
        return judge.measure(self.port, self.folder, self.options.quick)

    def streams(self):
        return streams.event_streams(self.folder, 200 if self.options.quick else streams.STREAMS)

    def waits(self):
        return streams.long_polls(self.folder, 1_000 if self.options.quick else streams.WAITS,
                                  100 if self.options.quick else streams.WAITED_JOBS)

    def backlog(self):
        """What the SQLite store's calls cost as the queue grows (store_bench.cc)."""
        sizes = [1_000, 10_000, 100_000] + ([] if self.options.quick else [1_000_000])
        done = subprocess.run([BUILD / "store_bench", self.folder, *map(str, sizes)],
                              stdout=subprocess.PIPE, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def docker(self):
        try:
            import containers

            missing = containers.missing()
        except ModuleNotFoundError as error:  # of the tests' packages, which come with ./dev test
            missing = error
        if missing:
            return self._leave_out(f"docker backend: {missing}")
        return containers.measure(self.cases, self.port, self.rounds, self.seconds, self.cores)

    def peers(self):
        if not self.options.peer:
            return None
        return peers.measure(self.port, self.options.peer, self.cases.sources, self.rounds,
                             self.seconds)


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the samples")
    parser.add_argument("--only", metavar="SECTION,...", default=",".join(SECTIONS),
                        help="some of: " + ", ".join(SECTIONS))
    parser.add_argument("--no-docker", action="store_true", help="leave out the docker backend")
    parser.add_argument("--go", help="go command of the bare side (default: as the service)")
    parser.add_argument("--peer", metavar="NAME=URL", action="append", default=[],
                        help="a running peer to be measured, too: " + ", ".join(peers.PEERS))
    parser.add_argument("--json", metavar="FILE", help="keep the numbers there")
    parser.add_argument("--from", metavar="FILE", dest="recorded",
                        help="take the numbers from there and measure nothing")
    parser.add_argument("--write", metavar="DOCUMENT", help="put the tables into it")
    options = parser.parse_args()
    options.only = [name for name in SECTIONS if name in options.only.split(",")
                    and not (name == "docker" and options.no_docker)]
    if not options.only:
        parser.error("--only takes some of: " + ", ".join(SECTIONS))
    try:
        options.peer = [peers.Peer.parse(text) for text in options.peer]
    except ValueError as error:
        parser.error(str(error))
    return options


def measure(options):
    """(numbers, whether a section failed)"""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o755)  # the service's own user passes through to its state folder
    try:
        with service(folder) as (process, port):
            run = Run(process, port, folder, options)
            run.all()
            return run.numbers, run.failed
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the service is ended, too
    failed = False
    if options.recorded:
        numbers = json.loads(pathlib.Path(options.recorded).read_text())
        print(report.document(numbers))
    else:
        numbers, failed = measure(options)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(numbers, indent=1) + "\n")
    if options.write:
        report.write(options.write, numbers)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
