"""JavaScript whose process is started ahead, one for each job: the same to every program as one that is not,
and nothing of one job in the next."""

import contextlib
import json
import os
import pathlib
import re
import signal

import pytest

from interactive import Session
from javascript_probes import PROBES
from service import eventually, running, stream
from test_metrics import grown, metrics

# True in a process that was started ahead.
IS_WARM = "console.log(require('fs').readFileSync('/proc/self/maps', 'utf8').includes('sandbox-warm'))"
CLAIMS = "sandbox_pool_claims_total"


def run(service, code, **members):
    return service.run(code, "javascript", timeout="20s", **members)


def is_warm(service):
    return run(service, IS_WARM)["stdout"] == "true\n"


def parked(service):
    return metrics(service).get(("sandbox_pool", (("kind", "javascript"), ("state", "parked"))), 0)


def wait_until_warm(service):
    eventually(lambda: is_warm(service) and parked(service) > 0, what="a warm start")


@contextlib.contextmanager
def found(service, jobs=1):
    """So many jobs ask for a process that was started ahead, and each gets one."""
    eventually(lambda: parked(service) >= jobs, what="parked processes")
    before = metrics(service)
    yield
    after = metrics(service)
    assert grown(before, after, CLAIMS, kind="javascript", found="parked") == jobs


def processes(service):
    """Pids of Node.js below the launcher, by the parents of their sandboxes' first processes."""
    parents, nodes = {}, []
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            head, _, tail = status.read_text().rpartition(")")
            parents[int(status.parent.name)] = int(tail.split()[1])
            if head.endswith("(node"):
                nodes.append(int(status.parent.name))
    return [pid for pid in nodes if parents.get(parents[pid]) == service.launcher()]


def age(pid):
    """Of a process, in seconds."""
    ticks = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return float(pathlib.Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def warm():
    with running(SANDBOX_SLOTS="1", JOB_STORE="memory") as created:
        wait_until_warm(created)
        yield created


def outcome(service, probe):
    members = probe if isinstance(probe, dict) else {"code": probe}
    result = run(service, **members)
    return {
        **{name: result.get(name) for name in ("verdict", "exit_code", "signal", "message")},
        **{name: stream(result, name).decode(errors="backslashreplace") for name in ("stdout", "stderr")},
    }


@pytest.mark.parametrize("name", PROBES)
def test_a_program_sees_no_difference(warm, cold, name):
    packaged = any(file["path"] == "package.json" for file in PROBES[name]["files"]) if "files" in PROBES[name] else False
    with contextlib.nullcontext() if packaged else found(warm):
        seen = outcome(warm, PROBES[name])
    assert seen == outcome(cold, PROBES[name])


def test_cold_is_cold(cold):
    assert not is_warm(cold)
    assert parked(cold) == 0


@pytest.mark.parametrize("members", [
    {"args": ["x"]}, {"env": {"X": "1"}}, {"compiler_args": ["--stack-size=900"]}, {"limits": {"memory_bytes": 100 << 20}},
    {"limits": {"processes": 12}}, {"files": [{"path": "package.json", "content": "{}"}]}], ids=str)
def test_what_is_not_the_plain_case_starts_cold(warm, members):
    assert run(warm, IS_WARM, **members)["stdout"] == "false\n"
    assert is_warm(warm)


def test_the_wait_is_not_seen_in_its_times(start_service):
    code = """
const now = Date.now(), t = performance.nodeTiming
console.log(JSON.stringify({uptime: process.uptime() * 1000, now: performance.now(), origin: now - performance.timeOrigin,
  boot: t.bootstrapComplete, node: t.nodeStart, loop: t.loopStart, timing: Date.now() - performance.timeOrigin - performance.now()}))
"""
    service = start_service(SANDBOX_SLOTS="1", JOB_STORE="memory")
    wait_until_warm(service)
    eventually(lambda: parked(service) >= 3, what="parked processes")
    pids = processes(service)
    oldest = max(age(pid) for pid in pids)
    eventually(lambda: max(age(pid) for pid in pids) > oldest + 4, what="some time of waiting")
    times = json.loads(run(service, code)["stdout"])
    assert times.pop("loop") == -1 and abs(times.pop("timing")) < 5
    assert all(0 < value < 4000 for value in times.values()), times


def test_random_numbers_are_fresh(warm):
    code = "console.log(Math.random(), crypto.randomUUID(), require('crypto').randomBytes(8).toString('hex'))"
    seen = [run(warm, code)["stdout"].split() for _ in range(5)]
    for values in zip(*seen):
        assert len(set(values)) == len(values), values


# Each job does its worst to what the next might share with it; then looks for what others did.
MARK = r"""
const fs = require('fs'), marks = []
if (globalThis.mark) marks.push('global')
if (Array.prototype.mark) marks.push('prototype')
if (process.env.MARK) marks.push('environment')
if (fs.mark) marks.push('module')
if (process.listenerCount('SIGUSR2')) marks.push('signal')
if (process.umask() !== 0o22) marks.push('umask')
for (const folder of ['/box', '/tmp', '/dev/shm']) if (fs.readdirSync(folder).join() !== (folder === '/box' ? 'main.js' : '')) marks.push(folder)
console.log(marks.join())
globalThis.mark = Array.prototype.mark = fs.mark = 1
process.env.MARK = 'x'
process.on('SIGUSR2', () => {})
process.umask(0)
for (const folder of ['/box', '/tmp', '/dev/shm']) fs.writeFileSync(folder + '/left', 'x')
"""


def test_nothing_passes_from_job_to_job(warm):
    for _ in range(5):
        with found(warm):
            assert run(warm, MARK)["stdout"] == "\n"


def test_a_process_serves_one_job(warm):
    """Addresses, and the time of its start, are those of no other."""
    code = r"""
const fs = require('fs'), start = fs.readFileSync('/proc/self/stat', 'utf8').split(' ')[21]
console.log(fs.readFileSync('/proc/self/maps', 'utf8').match(/^.*\[heap\]$/m)[0].split('-')[0], start, fs.statSync('/proc/self/ns/pid').ino)
"""
    seen = []
    for _ in range(4):
        with found(warm):
            seen.append(run(warm, code)["stdout"].split())
    assert len({heap for heap, _, _ in seen}) == len(seen)
    assert len({start for _, start, _ in seen}) == len(seen)


def test_a_job_sees_no_other_process_and_no_other_descriptor(warm):
    code = r"""
const fs = require('fs'), reached = [], own = fs.readdirSync('/proc/self/task')
console.log(fs.readdirSync('/proc').filter(name => /^[0-9]+$/.test(name)).join())
for (let pid = 2; pid < 4000; pid++) if (!own.includes(String(pid))) try { process.kill(pid, 'SIGKILL'); reached.push(pid) } catch {}
console.log(reached.join(), process.ppid)
for (const fd of fs.readdirSync('/proc/self/fd')) try { if (/socket/.test(fs.readlinkSync('/proc/self/fd/' + fd))) console.log(fd) } catch {}
"""
    with found(warm):
        assert run(warm, code)["stdout"] == "2\n 1\n"
    assert is_warm(warm)


def test_what_waits_is_confined_like_a_job(warm):
    """By the launcher's own eyes: the rights of a process before any job has claimed it."""
    eventually(lambda: parked(warm) > 0, what="parked processes")
    isolation = warm.get("/health").json["isolation"]
    pids = processes(warm)
    assert pids
    ids = set()
    for pid in pids:
        status = dict(line.split(":\t", 1) for line in
                      pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
        assert all(int(status[f"Cap{name}"], 16) == 0 for name in ("Eff", "Prm", "Inh", "Amb", "Bnd"))
        assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2"
        for name in ("user", "mnt", "net", "ipc", "uts", "pid", "cgroup"):
            assert name == "cgroup" or os.readlink(f"/proc/{pid}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}")
        ids.add(status["Uid"].split()[0])
        # Its own, and the link to the first process of its sandbox.
        kinds = [re.sub(r"[0-9]+", "N", os.readlink(f"/proc/{pid}/fd/{fd}")) for fd in os.listdir(f"/proc/{pid}/fd")]
        assert kinds.count("socket:[N]") == 1
        assert set(kinds) <= {"socket:[N]", "pipe:[N]", "/dev/null", "anon_inode:[eventpoll]", "anon_inode:[eventfd]",
                              "anon_inode:[io_uring]"}, kinds
    assert isolation != "full" or len(ids) == len(pids)


@pytest.mark.modes("as-is", "root", "delegated", "container")  # without groups there are fewer limits
def test_limits_that_were_not_known_when_it_was_parked(warm):
    with found(warm):
        hog = "const all = []; while (true) all.push(Buffer.alloc(1 << 20, 1))"
        assert run(warm, hog, limits={"memory_bytes": 160 << 20})["verdict"] == "memory_limit"
    with found(warm):
        assert warm.run("while (true) {}", "javascript", timeout="300ms")["verdict"] == "time_limit"
    with found(warm):
        burn = run(warm, "while (true) {}", limits={"cpu_time": "200ms"})
        assert burn["verdict"] == "cpu_time_limit" and burn["usage"]["cpu_time_ms"] >= 200
    with found(warm):
        code = "const fs = require('fs'); try { fs.writeFileSync('x', Buffer.alloc(90 << 20)) } catch (e) { console.log(e.code) }"
        assert run(warm, code)["stdout"] in ("ENOSPC\n", "EFBIG\n")
    with found(warm):
        spawn = ("let n = 0; const {spawn} = require('child_process'); for (let i = 0; i < 200; i++) {"
                 "const c = spawn('sleep', ['60']); c.on('error', () => {}); if (c.pid) n++ } console.log(n); process.exit(0)")
        assert 0 < int(run(warm, spawn)["stdout"]) < 100


def test_usage_is_that_of_the_job(warm, cold):
    burn = "const before = process.cpuUsage(); let u; do u = process.cpuUsage(before); while (u.user + u.system < 2e5)"
    used = [run(service, burn)["usage"] for service in (warm, cold)]
    for usage in used:
        assert 190 < usage["cpu_time_ms"] < 2000
    assert used[0]["processes_peak"] == used[1]["processes_peak"]
    hold = "const x = Buffer.alloc(64 << 20, 1)"
    peaks = [run(service, hold)["usage"]["memory_peak_bytes"] for service in (warm, cold)]
    assert min(peaks) > 64 << 20 and abs(peaks[0] - peaks[1]) < 16 << 20
    # Its start is paid ahead: neither its time nor its processor time is the job's.
    idle = [min(run(service, "0")["usage"]["cpu_time_ms"] for _ in range(3)) for service in (warm, cold)]
    assert idle[0] < idle[1]


def test_a_session_talks_to_it(warm):
    """Its stdin is a pipe then, which it has not known when it was started."""
    code = """
const lines = require('readline').createInterface({input: process.stdin})
process.on('SIGINT', () => { console.log('int'); process.exit(5) })
console.log('ready', process.stdin.constructor.name); lines.on('line', line => console.log(line.length))
"""
    with found(warm), Session(warm, code, language="javascript") as session:
        session.until_output(b"ready Socket\n")
        session.stdin("hello\n")
        session.until_output(b"ready Socket\n5\n")
        session.signal("INT")
        assert session.result()["result"]["exit_code"] == 5


def test_one_that_dies_while_it_waits_costs_no_job(start_service):
    service = start_service(SANDBOX_SLOTS="1", JOB_STORE="memory")
    wait_until_warm(service)
    killed = processes(service)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not set(killed) & set(processes(service)), what="the end of their sandboxes")
    for _ in range(5):
        assert run(service, "console.log('runs')")["stdout"] == "runs\n"
    wait_until_warm(service)


def test_none_is_started_before_there_is_use_for_it(start_service):
    service = start_service(SANDBOX_SLOTS="1", JOB_STORE="memory")
    eventually(lambda: metrics(service).get(("sandbox_zygotes", (("kind", "python"),))) == 1, what="a zygote")
    assert processes(service) == [] and parked(service) == 0
    assert not is_warm(service)
    wait_until_warm(service)


def test_the_setting_names_languages(start_service):
    wait_until_warm(start_service(SANDBOX_WARM_START="javascript", JOB_STORE="memory"))
    service = start_service(SANDBOX_WARM_START="python", JOB_STORE="memory")
    assert not is_warm(service) and not is_warm(service)
