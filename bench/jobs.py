"""Jobs through HTTP beside the bare commands: latency, throughput, bursts, time to interactive."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time
from typing import Callable

from harness import (Client, Sources, in_threads, load, percentile, percentiles, run_bare, run_job,
                     timed)

PYTHON = "/usr/bin/python3"
NODE = "/usr/bin/node"
GCC = "/usr/bin/gcc"
GO_CANDIDATES = ["/usr/local/go/bin/go", "/usr/lib/go/bin/go"]

PYTHON_HELLO = 'print("hello {n}")\n'
PYTHON_IMPORTS = "import json, re, collections, dataclasses, datetime\n" + PYTHON_HELLO
PYTHON_NUMPY = "import numpy\nassert numpy.arange(10).sum() == 45\n" + PYTHON_HELLO
# A computation of about 100 ms.
PYTHON_WORK = "n = 0\nfor i in range(1_500_000):\n    n += i * i\n" + PYTHON_HELLO
GO_HELLO = 'package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println("hello {n}")\n}\n'
GO_HTTP = """package main

import (
	"encoding/json"
	"fmt"
	"net/http"
)

func main() {
	text, err := json.Marshal(map[string]int{"status": http.StatusOK})
	if err != nil || string(text) != `{"status":200}` {
		panic("json")
	}
	fmt.Println("hello {n}")
}
"""
C_HELLO = '#include <stdio.h>\n\nint main(void) {\n    puts("hello {n}");\n}\n'
JAVASCRIPT_HELLO = 'console.log("hello {n}");\n'

# Those that the throughput is measured of.
THROUGHPUT = ("Python hello", "Python, five imports", "Go hello", "Go hello, same source",
              "C hello, same source")
MANY_CLIENTS = 16
BURST = 100


def find_go(wanted, version):
    """The Go whose version the service found, so that both sides run the same toolchain."""
    if wanted:
        return wanted
    candidates = [shutil.which("go"), *GO_CANDIDATES]
    candidates += map(str, sorted(pathlib.Path("/usr/lib").glob("go-*/bin/go")))
    candidates = [c for c in candidates if c and os.access(c, os.X_OK)]
    for candidate in candidates:
        found = subprocess.run([candidate, "version"], capture_output=True, text=True).stdout
        if f"go{version} " in found:
            return candidate
    return candidates[0] if candidates else None


def has_numpy():
    return subprocess.run([PYTHON, "-c", "import numpy"], capture_output=True).returncode == 0


@dataclasses.dataclass
class Case:
    """A program. `job` does one on a connection, `bare` runs it once beside the service."""

    name: str
    language: str
    source: str  # "{n}" in it: unique each time
    job: Callable[[Client], object]
    bare: Callable[[], None]
    members: dict = dataclasses.field(default_factory=dict)  # of the submission, besides
    expect: str = '"stdout":"hello '  # in the answer to a good job

    def body(self):
        """Of a submission that waits, for the load client."""
        return json.dumps({"language": self.language, "code": self.source, "wait": "60s",
                           **self.members})


class Cases:
    """Those of the languages that the service has."""

    def __init__(self, languages, go, folder, sources=None):
        self.sources = sources or Sources()
        self.folder = folder
        self.go = go
        self.env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"}
        self.env |= {"GOCACHE": str(folder / "gocache"), "GOTOOLCHAIN": "local"}
        self.all = []
        self.missing = []
        if "python" in languages:
            self._add("Python hello", "python", PYTHON_HELLO, [PYTHON])
            self._add("Python, five imports", "python", PYTHON_IMPORTS, [PYTHON])
            if has_numpy():
                self._add("Python importing numpy", "python", PYTHON_NUMPY, [PYTHON])
            else:
                self.missing.append("numpy")
            self._add("Python, 100 ms of work", "python", PYTHON_WORK, [PYTHON])
        if go:
            self._add("Go hello", "go", GO_HELLO, [go, "run"])
            self._add("Go net/http + encoding/json", "go", GO_HTTP, [go, "run"])
            self._add("Go hello, same source", "go", GO_HELLO, [go, "run"], same=True)
        if "c" in languages:
            self._add_c()
        if "javascript" in languages:
            self._add("JavaScript hello", "javascript", JAVASCRIPT_HELLO, [NODE])

    def named(self, name):
        return next((case for case in self.all if case.name == name), None)

    def _add(self, name, language, template, command, same=False):
        """`same`: all jobs have one source; what the bare command is given is unique all the same."""
        suffix = {"python": "py", "go": "go", "javascript": "js"}[language]
        program = self.sources.take(template) if same else None

        def bare():
            path, expected = self._write(f"main.{suffix}", template)
            run_bare([*command, path], self.env, expected)

        self.all.append(Case(name, language, program[0] if same else template,
                             self._job(language, template, program), bare))

    def _add_c(self):
        source, expected = self.sources.take(C_HELLO)
        file, program = self.folder / "hello.c", self.folder / "hello"
        file.write_text(source)
        subprocess.run([GCC, "-O2", "-o", program, file], check=True)
        self.all.append(Case("C hello, same source", "c", source,
                             self._job("c", C_HELLO, (source, expected)),
                             lambda: run_bare([str(program)], self.env, expected)))

    def _job(self, language, template, program=None):
        """`program`: the source of all of them and its output."""
        return lambda client: run_job(client, language, *(program or self.sources.take(template)))

    def _write(self, name, template):
        code, expected = self.sources.take(template)
        folder = self.folder / str(threading.get_ident())
        folder.mkdir(exist_ok=True)
        path = folder / name
        path.write_text(code)
        return str(path), expected


def latency(port, cases, rounds):
    """Jobs and bare commands of all cases in turns. {name: {n, job: percentiles, bare: ...,
    steps: where the job in the middle of each step spent how long}}"""
    client = Client(port)
    samples = {case.name: ([], [], []) for case in cases}
    for i in range(rounds + 3):
        for case in cases:
            started = time.perf_counter()
            job = case.job(client)
            of_job = (time.perf_counter() - started) * 1000
            of_bare = timed(case.bare)
            if i >= 3:  # the first ones warm both sides up
                of_steps = steps(job)
                of_steps["rest"] = of_job - sum(of_steps.values())
                for samples_of, value in zip(samples[case.name], (of_job, of_bare, of_steps)):
                    samples_of.append(value)
    client.close()
    return {name: {"n": rounds, "job": percentiles(job), "bare": percentiles(bare),
                   "steps": {step: percentile([s[step] for s in split], 50) for step in split[0]}}
            for name, (job, bare, split) in samples.items()}


def steps(job):
    """Milliseconds, from the job's own timing."""
    result = job["result"]
    compiled = result.get("compile")
    built = compiled["usage"]["wall_time_ms"] if compiled and not compiled["cached"] else 0
    return {"queue": result["queue_time_ms"], "compile": built, "start": result["start_time_ms"],
            "run": result["usage"]["wall_time_ms"]}


def many(port, case, clients, seconds):
    """A closed loop of so many clients."""
    found = load("closed", port, connections=clients, seconds=seconds,
                 request="POST /v1/execute", body=case.body(), expect=case.expect)
    if found["failures"] or not found["completed"]:
        raise RuntimeError(f"{case.name}, {clients} clients in {seconds} s: {found}")
    return found


def throughput(port, cases, seconds, cores):
    """Jobs a second by clients at once, beside as many bare commands, but no more than there are
    cores: they would only disturb each other."""
    rows = []
    for case in cases:
        if case.name not in THROUGHPUT:
            continue
        for clients in (1, 2 * cores, MANY_CLIENTS):
            found = many(port, case, clients, seconds)
            bare = in_threads(case.bare, min(clients, cores), seconds, tuple)
            rows.append({"case": case.name, "clients": clients, "bare": bare,
                         "job": found["completed"] / found["seconds"],
                         "p50_ms": found["milliseconds"]["p50"],
                         "p99_ms": found["milliseconds"]["p99"]})
    return rows


def first_after_idle(port, case, pause, rounds):
    """The first job after a pause, beside jobs one after another; each on a connection that is made
    for it, since the service closes those that idle."""
    def once():
        client = Client(port)
        case.job(client)
        client.close()

    busy, idle = [], []
    for _ in range(rounds):
        busy += [timed(once) for _ in range(20)]
        time.sleep(pause)
        idle.append(timed(once))
    return {"case": case.name, "pause_s": pause, "n": rounds, "busy_p50": percentile(busy, 50),
            "idle_p50": percentile(idle, 50)}


def burst(port, case, seconds, rounds):
    """So many clients at once, each with one job, beside a few in a closed loop. Of several bursts
    the one in the middle, by its p99; failures of all."""
    few = many(port, case, MANY_CLIENTS, seconds)
    bursts = []
    for _ in range(rounds):
        bursts.append(load("burst", port, connections=BURST, request="POST /v1/execute",
                           body=case.body(), expect=case.expect))
        time.sleep(0.5)  # what is made ahead is made again
    middle = sorted(bursts, key=lambda b: b["milliseconds"]["p99"])[len(bursts) // 2]
    return {"case": case.name, "clients": BURST, "few": MANY_CLIENTS,
            "few_p50": few["milliseconds"]["p50"], "n": rounds,
            "failures": sum(b["failures"] for b in bursts),
            "p50": middle["milliseconds"]["p50"], "p99": middle["milliseconds"]["p99"]}


def interactive(port, case, count):
    """The time to interactive, as providers of sandboxes publish it: from the beginning of a
    connection until a new sandbox has run a first command. One after another, staggered by 200 ms,
    all at once."""
    rows = {}
    for name, gap in (("sequential", -1), ("staggered by 200 ms", 0.2), ("burst", 0)):
        found = load("burst", port, connections=count, gap=gap, request="POST /v1/execute",
                     body=case.body(), expect=case.expect)
        times = found["milliseconds"]
        rows[name] = {"n": count, "min": times["min"], "p50": times["p50"], "p95": times["p95"],
                      "p99": times["p99"], "success": found["completed"] / count}
    return rows


def fill_go_cache(cases):
    """Of the bare side: the first `go run` compiles the standard library."""
    for case in cases:
        if case.language == "go":
            print("bench: filling the Go build cache of the bare side", file=sys.stderr, flush=True)
            case.bare()
