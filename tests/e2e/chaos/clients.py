"""Those who submit, and those who look at what becomes of it."""

import collections
import http.client
import json
import random
import threading
import time

from chaos import jobs

CLIENTS, WATCHERS = 8, 3
REQUEST_TIMEOUT = 5
PAUSE = 0.2  # before a submission is tried again
FINAL = ("completed", "failed", "cancelled")


def call(port, method, target, body=None, timeout=REQUEST_TIMEOUT):
    """(status, decoded body). As a real client: any answer may fail to come."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, target, None if body is None else json.dumps(body),
                           {"Content-Type": "application/json"} if body is not None else {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


class Clients:
    """Submits `count` jobs in `seconds`, and follows them until they have ended."""

    def __init__(self, fleet, seed, count, seconds, deadline):
        self.fleet = fleet
        self.seed = seed
        self.ports = [node.service.port for node in fleet.apis]
        self.jobs = [jobs.make(seed, number) for number in range(count)]
        self.acknowledged = {}  # job by id
        self.doubtful = set()  # numbers of jobs with a submission that may have been accepted
        self.refused = 0  # submissions that were answered with 503
        self.unanswered = 0
        self.records = {}  # the final record by id, as first seen
        self._seconds = seconds
        self._deadline = time.monotonic() + deadline
        self._next = iter(self.jobs)
        self._open = collections.deque()  # acknowledged, not yet seen at their end
        self._lock = threading.Lock()
        self._submitted = threading.Event()
        self._threads = []

    def start(self):
        self._started = time.monotonic()
        for n in range(CLIENTS):
            self._threads.append(threading.Thread(target=self._client, args=(n,), daemon=True))
        for n in range(WATCHERS):
            self._threads.append(threading.Thread(target=self._watcher, args=(n,), daemon=True))
        for thread in self._threads:
            thread.start()

    def join(self):
        for thread in self._threads[:CLIENTS]:
            thread.join(max(0, self._deadline - time.monotonic()))
        self._submitted.set()
        for thread in self._threads[CLIENTS:]:
            thread.join(max(0, self._deadline - time.monotonic()) + 2 * REQUEST_TIMEOUT)

    def _client(self, n):
        rng = random.Random(f"{self.seed} client {n}")
        pause = threading.Event()
        while True:
            with self._lock:
                job = next(self._next, None)
            if job is None:
                return
            due = self._started + job.number * self._seconds / len(self.jobs)
            pause.wait(max(0, due - time.monotonic()))
            while (job_id := self._submit(job, rng.choice(self.ports))) is None:
                if time.monotonic() > self._deadline:
                    self.fleet.problem(f"job {job.number} was never accepted")
                    return
                pause.wait(PAUSE)
            with self._lock:
                self.acknowledged[job_id] = job
                self._open.append(job_id)

    def _submit(self, job, port):
        try:
            status, answer = call(port, "POST", "/v1/execute", job.body)
        except ConnectionRefusedError:
            return None
        except (OSError, http.client.HTTPException, ValueError):
            with self._lock:
                self.doubtful.add(job.number)
                self.unanswered += 1
            return None
        if status == 202:
            return answer["id"]
        with self._lock:
            self.doubtful.add(job.number)
            self.refused += 1
        if status != 503:
            self.fleet.problem(f"submitting job {job.number} was answered with {status}: {answer}")
        return None

    def _watcher(self, n):
        """Looks at one job after the other; waits for it when there are few."""
        rng = random.Random(f"{self.seed} watcher {n}")
        pause = threading.Event()
        while time.monotonic() < self._deadline:
            with self._lock:
                backlog = len(self._open)
                job_id = self._open.popleft() if backlog else None
            if job_id is None:
                if self._submitted.is_set():
                    return
                pause.wait(0.05)
                continue
            record = self.look(job_id, rng.choice(self.ports), "1s" if backlog < 20 else "0s")
            with self._lock:
                if record is not None and record["status"] in FINAL:
                    self.records[job_id] = record
                else:
                    self._open.append(job_id)
            if record is None:
                pause.wait(PAUSE)

    def look(self, job_id, port, wait="0s"):
        """The job's record, None when there is no answer. Never may it be unknown."""
        try:
            status, record = call(port, "GET", f"/v1/execute/{job_id}?wait={wait}")
        except (OSError, http.client.HTTPException, ValueError):
            return None
        if status == 200:
            return record
        if status != 503:
            self.fleet.problem(f"asking for job {job_id} was answered with {status}: {record}")
        return None
