"""One run: chaos, healing, and the reckoning."""

import dataclasses
import datetime
import math
import threading
import time

from service import eventually

from chaos import ledger
from chaos.clients import FINAL, Clients
from chaos.fleet import LEASE, PREFIX, Fleet
from chaos.havoc import Havoc

# From the end of the havoc until the last job has its result, on a slow machine.
HEALED_DEADLINE = 120


@dataclasses.dataclass
class Report:
    seed: int
    problems: list
    faults: dict = dataclasses.field(default_factory=dict)
    acknowledged: int = 0
    unacknowledged: int = 0  # accepted, but the client never heard of it
    refused: int = 0
    unanswered: int = 0
    takeovers: int = 0
    most_attempts: int = 0
    longest: float = 0  # seconds from submission to result
    havoc_seconds: float = 0
    drain_seconds: float = 0  # from the end of the havoc to the last result
    seconds: float = 0

    def summary(self):
        faults = ", ".join(f"{count} {kind}" for kind, count in sorted(self.faults.items()))
        return (f"chaos: seed {self.seed}: {self.acknowledged} jobs acknowledged, "
                f"{self.unacknowledged} more accepted unacknowledged; submissions refused "
                f"{self.refused}, unanswered {self.unanswered}; {sum(self.faults.values())} faults "
                f"({faults}); {self.takeovers} jobs taken over, at most {self.most_attempts} "
                f"attempts; longest from submission to result {self.longest:.1f} s; havoc "
                f"{self.havoc_seconds:.0f} s, drained in {self.drain_seconds:.1f} s, all "
                f"{self.seconds:.0f} s; "
                f"{len(self.problems) or 'no'} problems")


def max_attempts(seconds):
    """So many that chaos cannot use them up: each further attempt of a job needs a lease that ran
    out, and the tail after the havoc some more. The service allows 100."""
    return min(100, math.ceil(seconds / LEASE) + 10)


def chaos(seconds, jobs, seed):
    started = time.monotonic()
    fleet = Fleet(max_attempts(seconds))
    report = Report(seed, fleet.problems)
    try:
        fleet.start()
        clients = Clients(fleet, seed, jobs, 0.9 * seconds, seconds + HEALED_DEADLINE)
        havoc = Havoc(fleet, seed)
        havoc_started = time.monotonic()
        clients.start()
        havoc.start()
        try:
            threading.Event().wait(seconds)
        finally:
            havoc.stop()
        report.havoc_seconds = time.monotonic() - havoc_started
        report.faults = dict(havoc.counts)
        healed = time.monotonic()
        fleet.until_ready()
        clients.join()
        report.drain_seconds = time.monotonic() - healed
        settle(fleet)
        report.refused, report.unanswered = clients.refused, clients.unanswered
        judge(fleet, clients, report)
        judge_keys(fleet)
        fleet.stop()
    except BaseException:
        print(f"chaos: seed {seed}: it broke off; problems until then: {fleet.problems}")
        raise
    finally:
        fleet.close()
    report.seconds = time.monotonic() - started
    return report


def settle(fleet):
    """Until no job is queued or running, also of those that no client knows."""
    def idle():
        counts = fleet.redis.command("HMGET", f"{PREFIX}:state", "queued", "running")
        return [int(n or 0) for n in counts] == [0, 0]
    try:
        eventually(idle, HEALED_DEADLINE, what="queued and running are 0")
    except AssertionError as error:
        fleet.problem(str(error))


def seconds_taken(record):
    begin, end = (datetime.datetime.fromisoformat(record[f"{name}_at"])
                  for name in ("created", "finished"))
    return (end - begin).total_seconds()


def number_printed(record):
    """Which job this is the record of, by what it printed."""
    words = record.get("result", {}).get("stdout", "").split()
    return int(words[1]) if len(words) > 1 and words[0] == "job" else None


def judge(fleet, clients, report):
    """Each job has one result, the right one, and keeps it."""
    histories = ledger.read(fleet.redis.folder, PREFIX)
    for job_id in sorted(histories.keys() | clients.acknowledged.keys()):
        record = clients.look(job_id, clients.ports[0])
        if record is None or record["status"] not in FINAL:
            fleet.problem(f"job {job_id} has not ended: {record}, {histories.get(job_id)}")
            continue
        job = clients.acknowledged.get(job_id)
        if job is None:
            report.unacknowledged += 1
            number = number_printed(record)
            if number not in clients.doubtful:
                fleet.problem(f"job {job_id} is nobody's: {record}")
                continue
            job = clients.jobs[number]
        else:
            report.acknowledged += 1
            early = clients.records.get(job_id)
            if early != record:
                fleet.problem(f"job {job_id} has changed from {early} to {record}")
        report.takeovers += record["attempts"] > 1
        report.most_attempts = max(report.most_attempts, record["attempts"])
        report.longest = max(report.longest, seconds_taken(record))
        history = histories.get(job_id, ledger.History())
        for wrong in (job.wrong(record), history.wrong()):
            if wrong:
                fleet.problem(f"job {job_id} ({job.number}): {wrong}")
        if not history.attempts == record["attempts"] <= history.runs:
            fleet.problem(f"job {job_id} says {record['attempts']} attempts: {history}")
    if len(clients.acknowledged) != len(clients.jobs):
        fleet.problem(f"{len(clients.acknowledged)} of {len(clients.jobs)} jobs were accepted")


FOR_EVER = """
local found, cursor = {}, '0'
repeat
  local page = redis.call('SCAN', cursor, 'COUNT', 1000)
  cursor = page[1]
  for _, key in ipairs(page[2]) do
    if redis.call('PTTL', key) == -1 then found[#found + 1] = key end
  end
until cursor == '0'
return found"""


def judge_keys(fleet):
    """No lease is pending, no key stays for ever."""
    if fleet.redis.command("EXISTS", f"{PREFIX}:run"):
        pending = fleet.redis.command("XPENDING", f"{PREFIX}:run", "workers")
        fleet.problem(f"the stream of running jobs is left, pending: {pending}")
    if keys := fleet.redis.command("EVAL", FOR_EVER, "0"):
        fleet.problem(f"keys without a time to live: {keys}")
