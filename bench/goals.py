"""The figures that the service is to reach, and what a run has reached of them."""

import dataclasses
from typing import Callable

AT_MOST, AT_LEAST = "at most", "at least"


@dataclasses.dataclass
class Goal:
    job: str
    measure: str
    sense: str  # AT_MOST or AT_LEAST
    bound: float
    unit: str  # " x", " ms", ...
    value: Callable[[dict], float]  # of a run's numbers; KeyError where it was not measured


@dataclasses.dataclass
class Outcome:
    goal: Goal
    value: float | None  # None: not measured

    @property
    def reached(self):
        if self.value is None:
            return None
        # As it is shown, so that a table does not say "0.15, at most 0.15: missed".
        shown = round(self.value, 2)
        return shown <= self.goal.bound if self.goal.sense == AT_MOST else shown >= self.goal.bound


def _ratio(case, p="p50"):
    def value(numbers):
        row = numbers["latency"][case]
        return row["job"][p] / row["bare"][p]

    return value


def _overhead_ms(case):
    def value(numbers):
        row = numbers["latency"][case]
        return row["job"]["p50"] - row["bare"]["p50"]

    return value


def _throughput(case, clients):
    def value(numbers):
        for row in numbers["throughput"]:
            if row["case"] == case and row["clients"] == clients:
                return row["job"] / row["bare"]
        raise KeyError(case)

    return value


def _burst(numbers):
    row = numbers["burst"]
    return row["p99"] / (row["few_p50"] * row["clients"] / row["few"])


OF_BARE = "p50 / bare `python3`"
GOALS = [
    Goal("Python hello", OF_BARE, AT_MOST, 0.15, " x", _ratio("Python hello")),
    Goal("Python hello", "p99 / bare `python3`", AT_MOST, 0.5, " x", _ratio("Python hello", "p99")),
    Goal("Python, five imports", OF_BARE, AT_MOST, 0.12, " x", _ratio("Python, five imports")),
    Goal("Python importing numpy", OF_BARE, AT_MOST, 0.06, " x", _ratio("Python importing numpy")),
    Goal("Python hello", "jobs/s of 16 clients / bare, two at a time", AT_LEAST, 4.5, " x",
         _throughput("Python hello", 16)),
    Goal("Python, 100 ms of work", OF_BARE, AT_MOST, 1.0, " x", _ratio("Python, 100 ms of work")),
    Goal("Go hello, new source", "p50 / bare `go run`", AT_MOST, 0.42, " x", _ratio("Go hello")),
    Goal("Go net/http + encoding/json, new source", "p50 / bare `go run`", AT_MOST, 0.5, " x",
         _ratio("Go net/http + encoding/json")),
    Goal("Go hello, source seen before", "p50 / bare `go run`", AT_MOST, 0.02, " x",
         _ratio("Go hello, same source")),
    Goal("C hello, source seen before", "p50 - bare exec of the binary", AT_MOST, 1, " ms",
         _overhead_ms("C hello, same source")),
    Goal("JavaScript hello", "p50 / bare `node`", AT_MOST, 0.35, " x", _ratio("JavaScript hello")),
    Goal("first job after 10 s idle", "p50 / busy p50", AT_MOST, 1.5, " x",
         lambda n: n["idle"]["idle_p50"] / n["idle"]["busy_p50"]),
    Goal("100 clients at once", "p99 / (100/16 of the p50 of 16 clients)", AT_MOST, 1.25, " x",
         _burst),
    Goal("100 clients at once", "failures", AT_MOST, 0, "", lambda n: n["burst"]["failures"]),
    Goal("status polls", "per second", AT_LEAST, 50_000, "/s", lambda n: n["polls"]["per_second"]),
    Goal("durable submits", "per second, 64 clients, SQLite", AT_LEAST, 15_000, "/s",
         lambda n: n["submits"]["per_second"]),
    Goal("idle memory", "all processes, proportional set size", AT_MOST, 80, " MiB",
         lambda n: n["memory"]["all_proportional_kib"] / 1024),
    Goal("judge job, a C program of 1 ms", "time / bare runs, two at a time", AT_MOST, 1.5, " x",
         lambda n: n["judge"]["tests_s"] / n["judge"]["bare_s"]),
    Goal("event streams of one job", "most memory of each", AT_MOST, 64, " KiB",
         lambda n: n["streams"]["peak_kib"]),
    Goal("waiting long-polls", "p99 from a job's end to the answer", AT_MOST, 20, " ms",
         lambda n: n["waits"]["wake_p99_ms"]),
]


def outcomes(numbers):
    """One for each goal, in their order."""
    found = []
    for goal in GOALS:
        try:
            found.append(Outcome(goal, float(goal.value(numbers))))
        except KeyError:
            found.append(Outcome(goal, None))
    return found
