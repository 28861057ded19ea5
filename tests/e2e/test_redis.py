"""Several sandboxd on one real Redis: roles, takeover, and every fault that Redis can have."""

import contextlib
import http.client
import json
import signal
import subprocess
import threading
import time

import pytest

from redis_server import RedisError, make_certificates, proxy_to, redis_server
from service import SANDBOXD, Client, base_environment, eventually, free_port, running

LEASE = 2  # seconds
# After its lease has ended a job is found at the next look, at most a second later; the rest is a
# slow machine's.
TAKEOVER = LEASE + 1 + 10

# What docs/operations.md tells to give the service's user.
ACL = ["~{code-sandbox}*", "&{code-sandbox}*", "-@all", "+@read", "+@write", "+@pubsub",
       "+@connection", "+@scripting", "+time", "+info", "+role", "+config|get"]


@pytest.fixture
def redis():
    with redis_server() as server:
        yield server


@pytest.fixture
def node(redis):
    """Starts nodes on the Redis of this test: node("api"), node("worker", SANDBOX_SLOTS="1")."""
    with contextlib.ExitStack() as stack:
        def start(role="all", address=None, healthy=True, **environment):
            settings = {
                "JOB_STORE": "redis", "REDIS_ADDR": address or redis.address, "ROLE": role,
                "SANDBOX_LEASE_TIME": f"{LEASE}s", "SANDBOX_SLOTS": "2", **environment}
            return stack.enter_context(running(healthy=healthy, **settings))
        yield start


def unchecked(service, method, target, body=None):
    """Without the API's contract: a worker has no API."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    with contextlib.closing(connection):
        connection.request(method, target, body=body,
                           headers={"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def ready(service):
    """The answer to GET /health/ready; None while nobody listens."""
    try:
        return service.get("/health/ready")
    except (ConnectionError, http.client.HTTPException):
        return None


def until_ready(service):
    eventually(lambda: (r := ready(service)) is not None and r.status == 200, what="ready")


def until_not_ready(service, part):
    def check():
        answer = ready(service)
        return answer is not None and answer.status == 503 and part in answer.json["detail"]
    eventually(check, what=f"not ready, because of {part}")


def is_running(service, job_id):
    return service.job(job_id)["status"] == "running"


def assert_completed(service, jobs):
    """jobs: id by what the job prints."""
    for token, job_id in jobs.items():
        job = service.wait(job_id)
        assert job["status"] == "completed", job
        assert job["result"]["stdout"] == f"{token}\n", job


def submit_until_accepted(service, code, deadline=60):
    """The id, once a submission is accepted; those before must have been refused properly."""
    def submit():
        response = service.post({"language": "python", "code": code})
        if response.status == 202:
            return response.json["id"]
        assert response.status == 503, response.body
        assert int(response.headers["retry-after"]) >= 1
        return None
    return eventually(submit, deadline, what="an accepted submission")


def assert_nothing_is_left(redis):
    """Every job has ended: no lease is pending, and no key stays for ever."""
    state = redis.command("HMGET", "{code-sandbox}:state", "queued", "running")
    assert [int(n or 0) for n in state] == [0, 0]
    assert redis.command("EXISTS", "{code-sandbox}:run") == 0
    assert {key: ttl for key, ttl in redis.keys().items() if ttl < 0} == {}


def test_nodesOfAllRoles_shareJobs(redis, node):
    api, other_api = node("api"), node("api")
    workers = [node("worker", SANDBOX_SLOTS="1") for _ in range(2)]
    assert api.get("/health").json["role"] == "api"
    answers = []

    def wait_on_the_other(job_id):
        answers.append(other_api.wait(job_id))

    jobs = {n: api.submit(f"import time; time.sleep(0.2); print({n})") for n in range(8)}
    waiters = [threading.Thread(target=wait_on_the_other, args=(i,)) for i in jobs.values()]
    for waiter in waiters:
        waiter.start()
    for waiter in waiters:
        waiter.join(60)
    assert sorted(int(a["result"]["stdout"]) for a in answers) == list(range(8))
    assert {a["attempts"] for a in answers} == {1}
    for worker in workers:
        assert unchecked(worker, "GET", "/health")[0] == 200
        assert unchecked(worker, "GET", "/health")[1]["role"] == "worker"
        status, problem = unchecked(worker, "POST", "/v1/execute", b"{}")
        assert status == 404
        assert "worker" in problem["detail"]
    assert_nothing_is_left(redis)


def test_filesAndBatch_reachTheWorkers(node):
    api, _ = node("api"), node("worker")
    until_ready(api)
    jobs = [{"language": "python", "entrypoint": "app/main.py", "args": ["é", ""], "env": {"A": str(i)},
             "compiler_args": ["-O"], "limits": {"memory_bytes": 64 << 20},
             "files": [{"path": "app/main.py", "content": "import os, sys, util\nassert False\n"
                        "print(util.x, sys.argv[1:], os.environ['A'], open('b', 'rb').read())"},
                       {"path": "app/util.py", "content": "x = 1"},
                       {"path": "b", "content": "/wA=", "encoding": "base64"}]} for i in range(50)]
    response = api.request("POST", "/v1/batch", body={"jobs": jobs, "wait": "60s"})
    assert response.status == 200, response.body[:500]
    for i, item in enumerate(response.json["jobs"]):
        assert item["job"]["result"]["stdout"] == f"1 ['é', ''] {i} b'\\xff\\x00'\n", item


def test_wait_isAnsweredAtOnceOnAnotherNode(node):
    api, all_roles = node("api"), node("all")
    job_id = api.submit("import time; time.sleep(1); print('x')")
    eventually(lambda: is_running(api, job_id), what="the job running")
    job = api.get(f"/v1/execute/{job_id}?wait=20s").json
    assert job["status"] == "completed"
    finished_at = time.time()
    # It was woken, not found by chance.
    stamp = job["finished_at"][:26] + "Z"
    ended = time.mktime(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    assert finished_at - ended < 3
    assert all_roles.job(job_id) == job


def test_api_offersWhatEveryWorkerOffers(node, tmp_path):
    api = node("api")
    # No worker has ever been seen: the job waits for one.
    waiting = api.submit("print('patience')")
    assert api.job(waiting)["status"] == "queued"
    node("worker")

    def versions():
        languages = api.get("/v1/languages").json["languages"]
        return {each["id"]: each["version"] for each in languages if each["available"]}

    eventually(lambda: versions().get("python", "").startswith("3."), what="the worker's languages")
    assert "go" in versions()
    assert api.wait(waiting)["status"] == "completed"
    # A worker without Go.
    folder = tmp_path / "languages"
    folder.mkdir()
    tmp_path.chmod(0o755)
    from contract import REPOSITORY
    (folder / "python.toml").write_text(
        (REPOSITORY / "config" / "languages" / "python.toml").read_text())
    poor = node("worker", SANDBOX_LANGUAGE_DIR=str(folder))
    eventually(lambda: "go" not in versions(), what="Go withdrawn")
    response = api.post({"language": "go", "code": "package main"})
    assert response.status == 422
    assert "does not have it" in response.json["errors"][0]["message"]
    assert "python" in versions()
    assert poor.terminate() == 0
    eventually(lambda: "go" in versions(), what="Go offered again")


def test_workerKilled_jobRunsElsewhere(redis, node):
    api = node("api")
    workers = [node("worker", SANDBOX_SLOTS="1")]
    job_id = api.submit("import time; time.sleep(4); print('done')", timeout="20s")
    eventually(lambda: is_running(api, job_id), what="the job running")
    workers.append(node("worker"))
    workers[0].kill()
    killed_at = time.monotonic()
    eventually(lambda: api.job(job_id)["attempts"] == 2, TAKEOVER, what="the takeover")
    assert time.monotonic() - killed_at < TAKEOVER
    job = api.wait(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 2)
    assert job["result"]["stdout"] == "done\n"
    assert_nothing_is_left(redis)


def test_jobThatKillsEveryWorker_isGivenUp(redis, node):
    api = node("api", SANDBOX_MAX_ATTEMPTS="2")
    worker = node("worker", SANDBOX_SLOTS="1", SANDBOX_MAX_ATTEMPTS="2")
    job_id = api.submit("import time; time.sleep(30)", timeout="40s")
    for attempt in (1, 2):
        eventually(lambda: is_running(api, job_id) and api.job(job_id)["attempts"] == attempt,
                   TAKEOVER, what=f"attempt {attempt}")
        worker.kill()
        worker.start()
    job = api.wait(job_id)
    assert job["status"] == "failed"
    assert "2 attempts" in job["error"]
    assert api.run("print(1)")["stdout"] == "1\n"
    assert_nothing_is_left(redis)


def test_workerThatStalled_cannotOverwrite(node):
    api, stalled = node("api"), node("worker", SANDBOX_SLOTS="1")
    # Says which attempt it is by the time that it started.
    job_id = api.submit("import time; t = time.time(); time.sleep(1.5); print(t)", timeout="20s")
    eventually(lambda: is_running(api, job_id), what="the job running")
    stalled.process.send_signal(signal.SIGSTOP)
    try:
        node("worker")
        job = api.wait(job_id)
    finally:
        stalled.process.send_signal(signal.SIGCONT)
    assert (job["status"], job["attempts"]) == ("completed", 2)
    eventually(lambda: "is lost" in stalled.log() or "cannot renew" in stalled.log(),
               what="the stalled worker hears that it is too late")
    assert api.job(job_id) == job
    assert api.run("print(1)")["stdout"] == "1\n"


def test_gracefulStop_handsJobsOver(redis, node):
    api, worker = node("api"), node("worker", SANDBOX_SLOTS="1", HTTP_SHUTDOWN_TIMEOUT="2s")
    job_id = api.submit("import time; time.sleep(6); print('done')", timeout="20s")
    eventually(lambda: is_running(api, job_id), what="the job running")
    node("worker")
    assert worker.terminate() == 0
    job = api.wait(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 1)
    assert_nothing_is_left(redis)


def test_redisDownAtStart_isWaitedFor(redis, node):
    redis.kill()
    service = node("all", healthy=False)
    until_not_ready(service, redis.address)
    assert service.get("/health/live").status == 200
    assert "refused" in ready(service).json["detail"]
    response = service.post({"language": "python", "code": "print(1)"})
    assert response.status == 503
    assert int(response.headers["retry-after"]) >= 1
    assert service.process.poll() is None
    assert service.log().count("Redis is away") < 5, "once for each reason, not for each try"
    redis.start()
    until_ready(service)
    assert service.run("print('up')")["stdout"] == "up\n"


def test_redisRestarted_losesNothing(redis, node):
    api, worker = node("api"), node("worker", SANDBOX_SLOTS="1")
    long_job = api.submit("import time; time.sleep(3); print('long')", timeout="20s")
    eventually(lambda: is_running(api, long_job), what="the job running")
    jobs = {n: api.submit(f"print({n})") for n in range(5)}
    redis.kill()
    until_not_ready(api, redis.address)
    # The job ends while Redis is away, and for longer than its lease lasts.
    down_since = time.monotonic()
    eventually(lambda: "cannot store an outcome" in worker.log(), what="a result in waiting")
    eventually(lambda: time.monotonic() - down_since > LEASE + 2, what="the lease's end")
    redis.start()
    job = api_wait_through(api, long_job)
    assert (job["result"]["stdout"], job["attempts"]) == ("long\n", 1)
    assert_completed(api, jobs)
    assert_nothing_is_left(redis)


def api_wait_through(api, job_id, deadline=60):
    """As wait, while Redis may be away."""
    def final():
        response = api.get(f"/v1/execute/{job_id}")
        assert response.status in (200, 503), response.body
        return response.status == 200 and response.json["status"] == "completed" and response.json
    return eventually(final, deadline, what=f"job {job_id} completed")


def test_waiter_staysThroughARestartOfRedis(redis, node):
    service = node("all")
    job_id = service.submit("import time; time.sleep(2); print('x')", timeout="20s")
    eventually(lambda: is_running(service, job_id), what="the job running")
    answers = []
    waiter = threading.Thread(
        target=lambda: answers.append(service.get(f"/v1/execute/{job_id}?wait=30s")))
    waiter.start()
    redis.kill()
    until_not_ready(service, redis.address)
    redis.start()
    waiter.join(60)
    assert answers and answers[0].status in (200, 503)
    assert api_wait_through(service, job_id)["result"]["stdout"] == "x\n"


def test_redisStopped_isAnsweredIn503(redis, node):
    service = node("all")
    redis.pause()
    started = time.monotonic()
    response = service.post({"language": "python", "code": "print(1)"})
    assert response.status == 503
    assert time.monotonic() - started < 9
    # From now on at once.
    eventually(lambda: service.post({"language": "python", "code": "1"}).status == 503)
    started = time.monotonic()
    assert service.post({"language": "python", "code": "print(1)"}).status == 503
    assert time.monotonic() - started < 2
    redis.resume()
    job_id = submit_until_accepted(service, "print('again')")
    assert service.wait(job_id)["result"]["stdout"] == "again\n"


def test_connectionsCut_losesNothing(redis, node):
    with proxy_to(redis) as proxy:
        api = node("api", address=proxy.address)
        node("worker", address=proxy.address)
        jobs, stop = {}, threading.Event()

        def cut_again_and_again():
            while not stop.wait(0.25):
                proxy.cut()

        cutter = threading.Thread(target=cut_again_and_again)
        cutter.start()
        for n in range(25):
            jobs[n] = submit_until_accepted(api, f"print({n})")
        stop.set()
        cutter.join(10)
        for n, job_id in jobs.items():
            assert api_wait_through(api, job_id)["result"]["stdout"] == f"{n}\n"
        # Submissions that were refused may have got in; they end too.
        eventually(lambda: redis.command("EXISTS", "{code-sandbox}:run") == 0
                   and int(redis.command("HGET", "{code-sandbox}:state", "queued") or 0) == 0,
                   what="an empty queue")
        assert_nothing_is_left(redis)


@pytest.mark.parametrize("bytes_until_cut", [1, 40, 200, 1000])
def test_answersCutInTheMiddle_areMadeUpFor(redis, node, bytes_until_cut):
    with proxy_to(redis) as proxy:
        service = node("all", address=proxy.address)
        jobs = {n: service.submit(f"print({n})") for n in range(3)}
        proxy.cut_after = bytes_until_cut
        proxy.cut()
        until_not_ready(service, proxy.address)
        proxy.cut_after = None
        until_ready(service)
        assert_completed(service, jobs)


def test_wrongPassword_isNamedAndNotShown(node):
    with redis_server(password="the-right-one") as server:
        service = node("all", address=server.address, healthy=False,
                       REDIS_PASSWORD="the-wrong-one")
        until_not_ready(service, "REDIS_PASSWORD")
        assert "the-wrong-one" not in ready(service).body.decode()
        assert service.get("/health/live").status == 200
        assert "REDIS_PASSWORD" in service.log()
        assert "the-wrong-one" not in service.log()
        unset = node("all", address=server.address, healthy=False)
        until_not_ready(unset, "set REDIS_PASSWORD")
        right = node("all", address=server.address, REDIS_PASSWORD="the-right-one")
        assert right.run("print(1)")["stdout"] == "1\n"


def test_aclUser_withTheDocumentedRights(redis, node):
    redis.command("ACL", "SETUSER", "sandbox", "on", ">secret", *ACL)
    service = node("all", REDIS_USERNAME="sandbox", REDIS_PASSWORD="secret")
    assert service.run("print(1)")["stdout"] == "1\n"
    assert "does not tell" not in service.log()
    assert service.get("/v1/execute/AAAAAAAAAAAAAAAAAAAAAA").status == 404
    redis.command("ACL", "SETUSER", "poor", "on", ">secret", *ACL, "-evalsha", "-eval")
    poor = node("all", healthy=False, REDIS_USERNAME="poor", REDIS_PASSWORD="secret")
    eventually(lambda: ready(poor) is not None, what="an answer")
    response = poor.post({"language": "python", "code": "print(1)"})
    assert response.status == 503


def test_documentedAcl_isThisOne():
    from contract import REPOSITORY
    text = (REPOSITORY / "docs" / "operations.md").read_text()
    assert " ".join(ACL) in " ".join(text.split())


def test_readOnlyReplica_isUsedOncePromoted(redis, node):
    host, port = redis.address.split(":")
    with redis_server("--replicaof", f"{host} {port}") as replica:
        service = node("all", address=replica.address, healthy=False)
        until_not_ready(service, "read-only replica")
        replica.command("REPLICAOF", "NO", "ONE")
        until_ready(service)
        assert service.run("print('promoted')")["stdout"] == "promoted\n"
        # And the way back, while connected.
        replica.command("REPLICAOF", host, port)
        until_not_ready(service, "read-only replica")


def test_redisOutOfMemory_refusesAndDrains(redis, node):
    service = node("all", SANDBOX_SLOTS="1")
    jobs = {"a": service.submit("import time; time.sleep(1); print('a')"),
            "b": service.submit("print('b')")}
    redis.command("CONFIG", "SET", "maxmemory", "1")
    response = service.post({"language": "python", "code": "print(1)"})
    assert response.status == 503
    assert int(response.headers["retry-after"]) >= 1
    assert_completed(service, jobs)
    redis.command("CONFIG", "SET", "maxmemory", "0")
    assert service.run("print(1)")["stdout"] == "1\n"


def test_scriptFlush_isNotNoticed(redis, node):
    service = node("all")
    for n in range(3):
        redis.command("SCRIPT", "FLUSH")
        assert service.run(f"print({n})")["stdout"] == f"{n}\n"


def test_failoverToAReplica_losesNoAcknowledgedJob(redis, node):
    host, port = redis.address.split(":")
    with redis_server("--replicaof", f"{host} {port}") as replica, proxy_to(redis) as proxy:
        eventually(lambda: replica.command("ROLE")[3] == b"connected", what="replication")
        api = node("api", address=proxy.address)
        node("worker", address=proxy.address, SANDBOX_SLOTS="1")
        jobs = {n: api.submit(f"import time; time.sleep(0.3); print({n})") for n in range(8)}
        # What is acknowledged must have got to the replica before the master dies: Redis replicates
        # asynchronously, and the documentation says so.
        offset = redis.command("ROLE")[1]
        eventually(lambda: replica.command("ROLE")[4] >= offset, what="the replica caught up")
        redis.kill()
        replica.command("REPLICAOF", "NO", "ONE")
        proxy.target = replica.port
        proxy.cut()
        for n, job_id in jobs.items():
            assert api_wait_through(api, job_id)["result"]["stdout"] == f"{n}\n"
        assert_nothing_is_left(replica)


def test_listOfAddresses_followsTheMaster(redis, node):
    host, port = redis.address.split(":")
    with redis_server("--replicaof", f"{host} {port}") as replica:
        service = node("all", address=f"{replica.address},{redis.address}")
        assert service.run("print(1)")["stdout"] == "1\n"
        redis.kill()
        replica.command("REPLICAOF", "NO", "ONE")
        until_ready(service)
        assert service.run("print(2)")["stdout"] == "2\n"


def test_unixSocket(tmp_path, node):
    tmp_path.chmod(0o755)
    tmp_path.parent.chmod(0o755)
    with redis_server("--unixsocketperm", "777") as server:
        path = server.folder / "redis.sock"
        server.folder.chmod(0o755)
        server.kill()
        server.arguments += ["--unixsocket", str(path)]
        server.start()
        service = node("all", address=f"unix:{path}")
        assert service.run("print(1)")["stdout"] == "1\n"
        clients = server.command("CLIENT", "LIST").decode()
        assert any(str(path) in line and "code-sandbox-" in line for line in clients.splitlines())


def test_tls_checksTheServer(tmp_path, node):
    make_certificates(tmp_path, "localhost")
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    (tmp_path / "ca.crt").chmod(0o644)
    port = free_port()
    with redis_server("--tls-port", str(port), "--tls-cert-file", str(tmp_path / "server.crt"),
                      "--tls-key-file", str(tmp_path / "server.key"), "--tls-ca-cert-file",
                      str(tmp_path / "ca.crt"), "--tls-auth-clients", "no"):
        trusting = {"REDIS_TLS": "on", "REDIS_TLS_CA": str(tmp_path / "ca.crt")}
        service = node("all", address=f"localhost:{port}", **trusting)
        assert service.run("print(1)")["stdout"] == "1\n"
        wrong_name = node("api", address=f"127.0.0.1:{port}", healthy=False, **trusting)
        until_not_ready(wrong_name, "certificate verify failed")
        unknown_authority = node("api", address=f"localhost:{port}", healthy=False, REDIS_TLS="on")
        until_not_ready(unknown_authority, "certificate verify failed")


def test_twoDeployments_shareOneServer(redis, node):
    one, two = node("all"), node("all", REDIS_KEY_PREFIX="other")
    job_id = one.submit("print(1)")
    assert one.wait(job_id)["status"] == "completed"
    assert two.get(f"/v1/execute/{job_id}").status == 404
    assert two.run("print(2)")["stdout"] == "2\n"
    assert {key.split(":")[0] for key in redis.keys()} == {"{code-sandbox}", "{other}"}


def test_queueBound_isTheFleets(node):
    one, two = node("api", SANDBOX_QUEUE_SIZE="3"), node("api", SANDBOX_QUEUE_SIZE="3")
    for service in (one, two, one):
        service.submit("print(1)")
    response = two.post({"language": "python", "code": "print(1)"})
    assert response.status == 429
    assert int(response.headers["retry-after"]) >= 1


def test_roundTripsPerJob_areFew(redis, node):
    """At most 2 on the way in and 3 on the worker's, counted on the server while jobs run."""
    service = node("all", SANDBOX_SLOTS="1")
    service.run("print('warm')")
    jobs = 20
    redis.command("CONFIG", "RESETSTAT")
    started = time.monotonic()
    for n in range(jobs):
        service.submit(f"print({n})")
    eventually(lambda: redis.command("EXISTS", "{code-sandbox}:run") == 0
               and int(redis.command("HGET", "{code-sandbox}:state", "queued") or 0) == 0,
               what="an empty queue")
    seconds = time.monotonic() - started
    calls = redis.calls("evalsha", "eval")
    # Sweep and poll come once a second each, whatever the number of jobs; announcements more rarely.
    assert calls <= 5 * jobs + 4 * (seconds + 1), (calls, seconds)


def test_persistence_isCheckedAtTheStart(node):
    with redis_server("--appendonly", "no") as careless:
        service = node("all", address=careless.address)
        eventually(lambda: "loses all jobs" in service.log(), what="the warning")
    with redis_server("--appendfsync", "everysec") as usual:
        service = node("all", address=usual.address)
        eventually(lambda: "up to a second" in service.log(), what="the warning")


def test_careful_persistence_isNotWarnedOf(node):
    service = node("all")
    service.run("print(1)")
    assert "appendonly" not in service.log()


@pytest.mark.parametrize("role", ["api", "worker"])
def test_rolesWithoutRedis_areRefused(tmp_path, role):
    environment = base_environment()
    environment.update(HTTP_PORT=str(free_port()), STATE_DIR=str(tmp_path), JOB_STORE="sqlite")
    for arguments, extra in (([f"--role={role}"], {}), ([], {"ROLE": role})):
        done = subprocess.run([str(SANDBOXD), *arguments], env={**environment, **extra},
                              capture_output=True, text=True, timeout=30)
        assert done.returncode == 2
        assert "ROLE" in done.stderr
        assert "redis" in done.stderr


def test_roleOption_winsOverTheVariable(redis):
    with running(healthy=False) as unused:
        unused.kill()
        environment = {**base_environment(), "HTTP_PORT": str(unused.port),
                       "REDIS_ADDR": redis.address, "ROLE": "worker"}
        process = subprocess.Popen([str(SANDBOXD), "--role", "api"], env=environment,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            client = Client(unused.port)
            until_ready(client)
            health = client.get("/health").json
            assert (health["role"], health["store"]) == ("api", "redis")
            assert health["isolation"] == "none"
        finally:
            process.terminate()
            assert process.wait(30) == 0
