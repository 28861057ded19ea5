"""What many clients at once cost: polls, submissions, event streams, long-polls."""

import json
import os
import resource

from harness import (Client, PeakMemory, cancel, cpu_seconds, end_load, load, occupy, own_service,
                     resident_kib, start_load, submit, until_idle)

POLLERS = 64
SUBMITTERS = 64
STREAMS = 1_000
WAITS = 10_000
WAITED_JOBS = 1_000  # by as many clients each as it takes
CHATTY_KIB = 1024
# Lines of text in pieces of 4 KiB, every 10 ms: as a build or a training run tells of itself.
CHATTY = f"""import sys, time
line = "the quick brown fox jumps over the lazy dog and runs away 0123\\n"
for _ in range({CHATTY_KIB} // 4):
    sys.stdout.write(line * 64)
    sys.stdout.flush()
    time.sleep(0.01)
"""
# One client may have three quarters of the connections.
MANY_CONNECTIONS = {"HTTP_MAX_CONNECTIONS": "16000"}


def descriptors():
    """How many connections one process may hold here, at most."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 500


def polls(port, job_id, seconds):
    """Of the status of one job, by kept-alive clients."""
    found = load("closed", port, connections=POLLERS, seconds=seconds,
                 request=f"GET /v1/execute/{job_id}", expect='"status":"completed"')
    return _rate(found, POLLERS)


def submits(folder, seconds):
    """Durable submissions that nobody waits for, while jobs occupy all slots."""
    with own_service(folder, "submits", SANDBOX_QUEUE_SIZE="10000000") as (_, port):
        client = Client(port)
        held = occupy(client, os.cpu_count() or 1)
        body = json.dumps({"language": "python", "code": 'print("hello {n}")'})
        found = load("closed", port, connections=SUBMITTERS, seconds=seconds, status=202,
                     request="POST /v1/execute", body=body)
        cancel(client, held)
        client.close()
    return _rate(found, SUBMITTERS)


def _rate(found, clients):
    if found["failures"]:
        raise RuntimeError(f"requests failed: {found}")
    return {"clients": clients, "per_second": found["completed"] / found["seconds"],
            "p50_ms": found["milliseconds"]["p50"], "p99_ms": found["milliseconds"]["p99"]}


def event_streams(folder, count=STREAMS):
    """So many clients hold the event stream of one job, which begins when all are there and writes
    CHATTY_KIB; each is told the output as it comes, and then the result, which has it all again."""
    with own_service(folder, "streams", **MANY_CONNECTIONS) as (process, port):
        client = Client(port)
        # The first job of its kind brings in what stays.
        job_id = submit(client, "python", CHATTY, timeout="60s")
        load("streams", port, connections=1, request=f"GET /v1/execute/{job_id}/events")
        client.close()  # it has idled for long
        client = Client(port)
        held = occupy(client, os.cpu_count() or 1)
        job_id = submit(client, "python", CHATTY, timeout="60s")
        before = resident_kib(process.pid)
        readers = start_load("streams", port, connections=count,
                             request=f"GET /v1/execute/{job_id}/events")
        if readers.stdout.readline() != "ready\n":
            raise RuntimeError("the event streams did not begin")
        waiting = resident_kib(process.pid)
        cpu = cpu_seconds(process.pid)
        with PeakMemory(process.pid) as peak:
            cancel(client, held)
            found = end_load(readers)
        cpu = cpu_seconds(process.pid) - cpu
        client.close()
    if found["failures"]:
        raise RuntimeError(f"event streams failed: {found}")
    delivered = found["bytes"] / (1 << 20)
    return {"streams": count, "output_kib": CHATTY_KIB, "delivered_mib": delivered,
            "seconds": found["seconds"], "cpu_ms_per_mib": cpu * 1000 / delivered,
            "waiting_kib": (waiting - before) / count, "peak_kib": (peak.kib - before) / count}


def long_polls(folder, wanted=WAITS, jobs=WAITED_JOBS):
    """So many clients wait for jobs that are queued; then these run, and the time is taken from the
    `finished_at` of each to the arrival of each answer."""
    count = min(wanted, descriptors())
    jobs = min(jobs, count)
    with own_service(folder, "waits", **MANY_CONNECTIONS) as (process, port):
        client = Client(port)
        held = occupy(client, os.cpu_count() or 1)
        submissions = [{"language": "python", "code": f"print({n})"} for n in range(jobs)]
        _, answer = client.call("POST", "/v1/batch", json.dumps({"jobs": submissions}).encode())
        ids = [item["job"]["id"] for item in json.loads(answer)["jobs"]]
        before = resident_kib(process.pid)
        clients = start_load("waits", port, deadline=55)
        for n in range(count):
            clients.stdin.write(f"/v1/execute/{ids[n % jobs]}?wait=60s\n")
        clients.stdin.close()
        clients.stdin = None
        if clients.stdout.readline() != "ready\n":
            raise RuntimeError("the clients did not come to wait")
        waiting = resident_kib(process.pid)
        cancel(client, held)
        client.close()
        found = end_load(clients)
        until_idle(port)
    if found["failures"]:
        raise RuntimeError(f"long-polls failed: {found}")
    times = found["milliseconds"]
    return {"clients": count, "wanted": wanted, "jobs": jobs,
            "waiting_kib": (waiting - before) / count, "wake_p50_ms": times["p50"],
            "wake_p99_ms": times["p99"], "wake_max_ms": times["p100"]}
