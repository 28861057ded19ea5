"""No acknowledged job is lost: kill -9, restarts, graceful stops, expiry, a full queue."""

import http.client
import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest

from service import SANDBOXD, eventually, free_port

PRINT_LATER = "import time, sys; time.sleep({seconds}); print('token', {token})"


def submit_tokens(service, tokens, seconds):
    return {token: service.submit(PRINT_LATER.format(seconds=seconds, token=token))
            for token in tokens}


def is_running(service, job_id):
    return service.job(job_id)["status"] == "running"


def assert_all_complete_once(service, jobs):
    finished = {token: service.wait(job_id) for token, job_id in jobs.items()}
    for token, job in finished.items():
        assert job["status"] == "completed", job
        assert job["result"]["verdict"] == "ok", job
        assert job["result"]["stdout"] == f"token {token}\n"
    # A second result would replace the first.
    for token, job_id in jobs.items():
        assert service.job(job_id) == finished[token]
    return finished


def test_kill9_losesNoAcknowledgedJob(start_service):
    service = start_service(SANDBOX_SLOTS="2")
    jobs = submit_tokens(service, range(12), seconds=0.6)
    eventually(lambda: is_running(service, jobs[3]) or is_running(service, jobs[4]),
               what="a job in the middle running")
    before = {token: service.job(job_id) for token, job_id in jobs.items()}
    states = [job["status"] for job in before.values()]
    assert "queued" in states
    service.kill()

    service.start()
    after = assert_all_complete_once(service, jobs)
    for token, job in before.items():
        assert after[token]["created_at"] == job["created_at"]
        if job["status"] == "completed":
            assert after[token] == job
    assert max(job["attempts"] for job in after.values()) == 2


def test_kill9_againAndAgain_losesNothing(start_service):
    service = start_service(SANDBOX_SLOTS="2", SANDBOX_MAX_ATTEMPTS="20")
    jobs = {}
    for part in range(3):
        jobs.update(submit_tokens(service, range(part * 4, part * 4 + 4), seconds=0.3))
        # Not at a quiet moment: right behind an acknowledgement, with jobs under way.
        service.kill()
        service.start()
    assert_all_complete_once(service, jobs)


def test_kill9_whileSubmitting_keepsWhatWasAcknowledged(start_service):
    service = start_service(SANDBOX_SLOTS="2")
    jobs, enough = {}, threading.Event()

    def submit_until_it_dies(offset):
        for i in range(1000):
            token = offset + i
            try:
                jobs[token] = service.submit(PRINT_LATER.format(seconds=0, token=token))
            except (OSError, http.client.HTTPException):
                return  # it died before it acknowledged
            if len(jobs) >= 20:
                enough.set()

    clients = [threading.Thread(target=submit_until_it_dies, args=(n * 1000,)) for n in range(4)]
    for client in clients:
        client.start()
    assert enough.wait(60)
    service.kill()
    for client in clients:
        client.join(30)
    service.start()
    assert_all_complete_once(service, jobs)


def test_jobThatKillsTheServiceEachTime_isGivenUp(start_service):
    service = start_service(SANDBOX_SLOTS="1", SANDBOX_MAX_ATTEMPTS="2")
    job_id = service.submit("import time; time.sleep(30)", timeout="40s")
    for _ in range(2):
        eventually(lambda: is_running(service, job_id), what="the job running")
        service.kill()
        service.start()
    job = service.wait(job_id)
    assert job["status"] == "failed"
    assert "2" in job["error"]
    assert service.run("print(1)")["verdict"] == "ok"


def test_launcherKilled_jobsRunAgainAfterTheRestart(start_service):
    service = start_service(SANDBOX_SLOTS="2")
    jobs = submit_tokens(service, range(4), seconds=1)
    eventually(lambda: is_running(service, jobs[0]), what="the job running")
    assert service.kill_launcher() == 1
    service.start()
    # The jobs were not to blame.
    after = assert_all_complete_once(service, jobs)
    assert after[0]["attempts"] == 2


def test_launcherKilledDuringTheStop_doesNotHoldItUp(start_service):
    service = start_service(SANDBOX_SLOTS="1", HTTP_SHUTDOWN_TIMEOUT="20s",
                            SANDBOX_TIMEOUT="10s")
    jobs = submit_tokens(service, [1], seconds=5)
    eventually(lambda: is_running(service, jobs[1]), what="the job running")
    service.process.send_signal(signal.SIGTERM)
    eventually(lambda: '"stopping"' in service.log(), what="the stop's begin")
    started = time.monotonic()
    assert service.kill_launcher() == 1
    assert time.monotonic() - started < 4
    service.start()
    assert_all_complete_once(service, jobs)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_whenIdle_isQuickAndClean(start_service, number):
    service = start_service()
    assert service.run("print(1)")["verdict"] == "ok"
    started = time.monotonic()
    service.process.send_signal(number)
    assert service.process.wait(10) == 0
    assert time.monotonic() - started < 3


def test_stop_letsARunningJobFinish(start_service):
    service = start_service(SANDBOX_SLOTS="1", HTTP_SHUTDOWN_TIMEOUT="10s")
    jobs = submit_tokens(service, ["'first'"], seconds=1)
    queued = service.submit("print('second')")
    eventually(lambda: is_running(service, jobs["'first'"]), what="the job running")
    assert service.terminate() == 0

    service.start()
    first = service.job(jobs["'first'"])
    assert first["status"] == "completed", first
    assert first["attempts"] == 1
    assert first["result"]["stdout"] == "token first\n"
    assert service.wait(queued)["result"]["stdout"] == "second\n"


def test_stop_givesALongJobBackWithinTheDeadline(start_service):
    service = start_service(SANDBOX_SLOTS="1", HTTP_SHUTDOWN_TIMEOUT="1s")
    job_id = service.submit(
        "import time; print('begin', flush=True); time.sleep(4); print('end')", timeout="20s")
    eventually(lambda: is_running(service, job_id), what="the job running")
    started = time.monotonic()
    assert service.terminate() == 0
    assert time.monotonic() - started < 1 + 2

    service.start()
    job = service.wait(job_id)
    assert job["status"] == "completed"
    assert job["attempts"] == 1, "a graceful stop does not count as an attempt"
    assert job["result"]["stdout"] == "begin\nend\n"


def test_stop_wakesThoseWhoWait(start_service):
    service = start_service(HTTP_SHUTDOWN_TIMEOUT="2s")
    job_id = service.submit("import time; time.sleep(30)", timeout="40s")
    eventually(lambda: is_running(service, job_id), what="the job running")
    answers = []
    waiting = threading.Event()

    def wait_for_the_job():
        waiting.set()
        answers.append(service.get(f"/v1/execute/{job_id}?wait=50s"))

    waiter = threading.Thread(target=wait_for_the_job)
    waiter.start()
    assert waiting.wait(10)
    # Once another request is answered, the server has taken the earlier one, too.
    assert service.get("/health").status == 200
    assert service.terminate() == 0
    waiter.join(10)
    assert not waiter.is_alive()
    # A connection that the service had not accepted yet is refused instead.
    assert [answer.status for answer in answers] in ([200], [])


def test_finishedJobs_expireAfterTheirTtl(start_service):
    service = start_service(JOB_TTL="1s")
    job_id = service.submit("print(1)")
    assert service.wait(job_id)["status"] == "completed"
    eventually(lambda: service.get(f"/v1/execute/{job_id}").status == 404, 15,
               what="the job's expiry")


def test_unfinishedJobs_doNotExpire(start_service):
    service = start_service(JOB_TTL="1s", SANDBOX_SLOTS="1")
    first = service.submit("import time; time.sleep(2.5)", timeout="10s")
    second = service.submit("print('patient')", timeout="10s")
    assert service.wait(first)
    assert service.wait(second)["result"]["stdout"] == "patient\n"


def test_fullQueue_is429WithRetryAfterUntilThereIsRoom(start_service):
    service = start_service(SANDBOX_SLOTS="1", SANDBOX_QUEUE_SIZE="3")
    accepted, refused = [], None
    for _ in range(12):
        response = service.post({"language": "python", "code": "import time; time.sleep(2)"})
        if response.status == 429:
            refused = response
            break
        assert response.status == 202
        accepted.append(response.json["id"])
    assert refused is not None, "twelve jobs were accepted with a queue of three"
    assert int(refused.headers["retry-after"]) >= 1
    # Three wait; besides them one runs, and one may have been claimed ahead of time.
    assert 3 <= len(accepted) <= 5
    started = time.monotonic()
    assert service.get("/health").status == 200
    assert time.monotonic() - started < 0.5

    for job_id in accepted:
        assert service.wait(job_id)["result"]["verdict"] == "ok"
    assert service.run("print('room again')")["stdout"] == "room again\n"


def test_secondServiceOnTheSameState_isRefused(start_service):
    service = start_service()
    environment = dict(service.environment, HTTP_PORT=str(free_port()))
    second = subprocess.run([str(SANDBOXD)], env=environment, capture_output=True, text=True,
                            timeout=120)
    assert second.returncode != 0
    assert service.environment["STATE_DIR"] in second.stderr
    assert service.run("print(1)")["verdict"] == "ok"


def test_memoryStore_works(start_service):
    service = start_service(JOB_STORE="memory")
    assert service.get("/health").json["store"] == "memory"
    assert service.run("print('kept in memory')")["stdout"] == "kept in memory\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_filesThatRootWasGiven_areTheServicesAgain(start_service):
    """systemd's StateDirectory= does that to all of it before each start."""
    service = start_service()
    job = service.wait(service.submit("print('kept')"))
    service.terminate()
    state = pathlib.Path(service.environment["STATE_DIR"])
    link = state / "link"
    link.symlink_to("/etc/hostname")
    for path in [state, *state.rglob("*")]:
        os.chown(path, 0, 0, follow_symlinks=False)
    state.chmod(0o700)
    before = os.stat("/etc/hostname").st_uid

    service.start()
    assert service.job(job["id"]) == job
    assert service.run("print('new')")["stdout"] == "new\n"
    assert os.stat("/etc/hostname").st_uid == before
    assert {path.stat().st_uid for path in state.rglob("*") if not path.is_symlink()} != {0}
