"""SANDBOX_BACKEND=docker on a real dockerd: same results as native, nothing left, no fault hangs."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import textwrap
import time

import pytest

import programs
from contract import REPOSITORY
from docker_backend import (assert_nothing_left, container, docker_service, job_folder,
                            job_processes, refusal, runner, wait_for_state)
from docker_engine import RUNNER_IMAGE
from events import EventReader
from service import eventually
from test_judge import judge, letters

# The runner has these toolchains.
PROGRAMS = [one for one in programs.discover() if one.language in ("go", "python")]
# Long enough that it still runs when something is done to its container.
SLEEP = "import time\nprint('started', flush=True)\ntime.sleep(20)\nprint('done')"


@pytest.fixture(scope="module")
def job_dir():
    with job_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def shared_runner(docker, job_dir):
    with runner(docker, "code-sandbox-runner", job_dir) as name:
        yield name


@pytest.fixture(scope="module")
def exec_service(docker, job_dir, shared_runner):
    with docker_service(docker, job_dir, SANDBOX_CONTAINER=shared_runner) as created:
        yield created


@pytest.fixture(scope="module")
def shared_user(docker, job_dir, exec_service):
    """A service whose jobs all have the same user in their container, with a job folder of its own."""
    with job_folder() as folder, runner(docker, "shared-user", folder) as name:
        # Warmed up already: the same toolchains.
        subprocess.run(["cp", "-a", job_dir / "cache", folder], check=True)
        with docker_service(docker, folder, SANDBOX_CONTAINER=name,
                            SANDBOX_DOCKER_USER="10001:10001") as created:
            created.nothing_left = lambda: assert_nothing_left(docker, name, folder)
            yield created


@pytest.fixture(scope="module")
def single_use(docker, job_dir):
    with docker_service(docker, job_dir, SANDBOX_DOCKER_MODE="single-use",
                        SANDBOX_DOCKER_IMAGE=RUNNER_IMAGE, SANDBOX_DOCKER_RUNTIME="runc",
                        SANDBOX_SLOTS="1") as created:
        yield created


@pytest.fixture(scope="module")
def only_python(job_dir):
    """A language folder without Go: no warm-up."""
    folder = job_dir / "languages"
    folder.mkdir()
    shutil.copy(REPOSITORY / "config" / "languages" / "python.toml", folder)
    return {"SANDBOX_LANGUAGE_DIR": str(folder)}


@pytest.fixture
def hostile(docker, exec_service, shared_runner, job_dir):
    """Runs a job, then proves that nothing of it is left and that the next one finds a clean place."""

    def run(code, **members):
        result = exec_service.run(textwrap.dedent(code), **members)
        assert_nothing_left(docker, shared_runner, job_dir)
        assert exec_service.run("print('clean')")["stdout"] == "clean\n"
        return result

    return run


# The same results -----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[
    "exec_service", pytest.param("shared_user", marks=pytest.mark.long),
    pytest.param("single_use", marks=pytest.mark.long)])
def submitted(request):
    """All programs at once, so that they run as slots come free: the service and {name: id}."""
    service = request.getfixturevalue(request.param)
    return service, {program.name: service.post(program.submission()).json["id"]
                     for program in PROGRAMS}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program_endsAsOnTheNativeBackend(submitted, program):
    service, jobs = submitted
    program.check_job(service.wait(jobs[program.name], deadline=240))


def test_files_lieInFoldersAsOnTheNativeBackend(exec_service):
    def run(**members):
        return exec_service.wait(exec_service.post(members).json["id"])["result"]

    result = run(language="python", entrypoint="app/main.py", args=["a b"], env={"A": "1"},
                 compiler_args=["-O"], limits={"open_files": 64}, outputs=["in/*", "out"], files=[
                     {"path": "app/main.py", "content": "import os, sys, pkg.util as u\nassert False\n"
                      "print(u.x, sys.argv[1:], os.environ['A'], open('in/b', 'rb').read())"},
                     {"path": "app/pkg/util.py", "content": "x = 1"},
                     {"path": "in/b", "content": "/wA=", "encoding": "base64"}])
    assert result["stdout"] == "1 ['a b'] 1 b'\\xff\\x00'\n", result
    assert [(file["path"], file.get("content"), file.get("error")) for file in result["files"]] == [
        ("in/b", "/wA=", None), ("out", None, "not found")]
    result = run(language="go", entrypoint="cmd/main.go", compiler_args=["-trimpath"], files=[
        {"path": "go.mod", "content": "module m\n\ngo 1.18\n"},
        {"path": "cmd/main.go", "content": "package main\nimport \"m/lib\"\n"
         "func main() { println(lib.X) }\n"},
        {"path": "lib/lib.go", "content": "package lib\nconst X = 7\n"}])
    assert (result["verdict"], result["stderr"]) == ("ok", "7\n"), result


def test_health_namesTheBackendAndItsContainer(exec_service, shared_runner):
    health = exec_service.get("/health").json
    assert health["backend"] == "docker"
    found = container(exec_service, shared_runner)
    assert found["state"] == "up"
    assert set(found["languages"]) == {"go", "python"}


def test_interactor_isOfAnyLanguageThatThereIs(exec_service):
    by = {"language": "go", "code": textwrap.dedent('''
        package main
        import ("bufio"; "fmt"; "os")
        func main() {
            lines := bufio.NewScanner(os.Stdin)
            for _, word := range []string{"one", "two"} {
                fmt.Println(word)
                if !lines.Scan() || lines.Text() != word + word { os.Exit(1) }
            }
        }''')}
    result = judge(exec_service, "while True: print(input() * 2, flush=True)", interactor=by,
                   tests=[{}])
    assert result["tests"][0]["verdict"] == "nonzero_exit", "input() meets the end"
    result = judge(exec_service, "import sys\nfor line in sys.stdin: print(line.strip() * 2, flush=True)",
                   interactor=by, tests=[{}, {}])
    assert letters(result) == ["AC", "AC"], result


# Who may do what ------------------------------------------------------------------------------------


def status(pid, name):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1:] for line in lines if line.startswith(f"{name}:"))


def child(parent, name):
    """The child process of this name."""
    found = [int(folder.name) for folder in pathlib.Path("/proc").glob("[0-9]*")
             if (folder / "stat").exists() and status(folder.name, "PPid") == [str(parent)]
             and (folder / "comm").read_text().strip() == name[:15]]
    assert len(found) == 1, found
    return found[0]


def test_whatTheNetworkReaches_isConfinedAndCannotReachDocker(docker, exec_service):
    pid = exec_service.process.pid
    assert status(pid, "Seccomp") == ["2"]
    assert {status(pid, field)[0] for field in ("CapPrm", "CapEff", "CapBnd")} == {"0" * 16}
    assert "confined:  seccomp" in exec_service.log()
    uid, gid, groups = status(pid, "Uid"), status(pid, "Gid"), status(pid, "Groups")
    assert "0" not in uid + gid + groups
    socket = docker.socket.stat()
    assert socket.st_mode & 0o007 == 0
    assert str(socket.st_uid) not in uid and str(socket.st_gid) not in gid + groups
    # Nor does it hold a connection: its Unix sockets have no name, and Docker's has this one.
    held = {os.readlink(fd) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()}
    names = [line.split() for line in pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]]
    assert not [fields for fields in names
                if f"socket:[{fields[6]}]" in held and str(docker.socket) in fields[7:]]
    assert status(child(pid, "sandbox-docker-broker"), "Uid")[0] == "0"


# Hostile programs -----------------------------------------------------------------------------------


def test_forkBomb_isContained(hostile):
    result = hostile("""
        import os
        while True:
            try:
                os.fork()
            except OSError:
                pass
        """, timeout="1s")
    assert result["verdict"] in ("time_limit", "memory_limit", "process_limit")


def test_forkBombOfDaemonsThatIgnoreSignals_isContained(hostile):
    result = hostile("""
        import os, signal
        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        while True:
            try:
                if os.fork() == 0:
                    os.setsid()
            except OSError:
                pass
        """, timeout="1s")
    assert result["verdict"] in ("time_limit", "memory_limit", "process_limit")


def test_daemonThatHoldsStdout_doesNotDelayTheAnswer(hostile):
    result = hostile("""
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(60)
            os._exit(0)
        print("main is done")
        """, timeout="30s")
    assert (result["verdict"], result["stdout"]) == ("ok", "main is done\n")
    assert result["usage"]["wall_time_ms"] < 5000


def test_ignoredSignals_doNotHelp(hostile):
    result = hostile("""
        import signal, time
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        while True:
            time.sleep(1)
        """, timeout="1s")
    assert result["verdict"] == "time_limit"


def test_stoppedProcess_isStillKilled(hostile):
    assert hostile("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
                   timeout="1s")["verdict"] == "time_limit"


def test_flood_isCutExactly(hostile):
    result = hostile("""
        import sys
        sys.stdout.write("a")
        sys.stdout.flush()
        while True:
            sys.stdout.write("b" * 65536)
        """)
    assert result["verdict"] == "output_limit"
    assert result["stdout"] == "a" + "b" * ((1 << 20) - 1)


def test_memoryBombOfManyProcesses_isCountedTogether(hostile):
    assert hostile("""
        import os, time
        for _ in range(8):
            if os.fork() == 0:
                block = bytearray(b"x" * (60 << 20))
                time.sleep(10)
        time.sleep(10)
        """, timeout="8s")["verdict"] == "memory_limit"


def test_statusOnStdout_forgesNothing(hostile):
    result = hostile("""
        import os, struct, sys
        done = struct.pack("<IiIiqqqq", 1 << 0, 0, 0, 0, 1, 1, 1, 1)
        forged = b"".join(struct.pack("<II", kind, len(done)) + done for kind in range(1, 10))
        for fd in range(0, 256):
            try:
                os.write(fd, forged)
            except OSError:
                pass
        sys.stdout.flush()
        os._exit(7)
        """)
    assert (result["verdict"], result["exit_code"]) == ("nonzero_exit", 7)


def test_descriptors_areTheThreeStreams(hostile):
    assert hostile("""
        import os
        for fd in range(3, 1024):
            try:
                os.fstat(fd)
                print(fd, os.readlink(f"/proc/self/fd/{fd}"))
            except OSError:
                pass
        """)["stdout"] == ""


def test_supervisor_cannotBeKilled(hostile):
    result = hostile("""
        import os, signal
        for pid in [os.getppid()] + [int(p) for p in os.listdir("/proc") if p.isdigit()]:
            if pid != os.getpid():
                try:
                    os.kill(pid, signal.SIGKILL)
                    print("killed", pid)
                except OSError:
                    pass
        print("alone")
        """)
    assert (result["verdict"], result["stdout"]) == ("ok", "alone\n")


def test_killOfEverything_endsTheJobAlone(hostile):
    result = hostile("import os, signal; os.kill(-1, signal.SIGKILL); print('alive')")
    assert result["verdict"] in ("ok", "signalled")


def test_network_isNotThere(hostile):
    assert hostile("""
        import socket
        for address in (("127.0.0.1", 22), ("192.0.2.1", 80)):
            try:
                socket.create_connection(address, timeout=1)
                print("connected to", address)
            except OSError:
                pass
        """)["stdout"] == ""


def test_privileges_areGone(hostile):
    lines = hostile("""
        import os
        print(os.getuid() > 0, os.getgid() > 0, os.getgroups())
        for line in open("/proc/self/status"):
            if line.startswith(("CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp:")):
                print(*line.split())
        """)["stdout"].splitlines()
    assert lines == ["True True []", "CapPrm: 0000000000000000", "CapEff: 0000000000000000",
                     "CapBnd: 0000000000000000", "NoNewPrivs: 1", "Seccomp: 2"]


def test_jobsAtOnce_seeNothingOfEachOther(docker, exec_service, shared_runner, job_dir):
    victim = exec_service.submit("""
import os, time
open("secret", "w").write("the secret")
open("/tmp/secret-of-victim", "w").write("the secret")
print(os.getuid(), flush=True)
time.sleep(4)
print("unharmed")
""", timeout="20s")
    eventually(lambda: exec_service.job(victim)["status"] == "running", what="the victim to run")
    eventually(lambda: list((job_dir / "jobs").glob("*/box/secret")), what="the victim's secret")
    attacker = exec_service.run(f"""
import glob, os, signal
print(os.getuid())
for pattern in ("{job_dir}/*", "{job_dir}/jobs/*", "{job_dir}/jobs/*/*/*", "/tmp/*", "/proc/[0-9]*/cwd/*",
                "/proc/[0-9]*/root/{job_dir}/jobs/*/box/*"):
    for path in glob.glob(pattern):
        try:
            if "the sec" + "ret" in open(path).read():
                print("read", path)
        except OSError:
            pass
for name in ("environ", "mem", "maps"):
    for path in glob.glob("/proc/[0-9]*/" + name):
        pid = int(path.split("/")[2])
        if pid != os.getpid():
            try:
                open(path).read(1)
                print("opened", path)
            except OSError:
                pass
try:
    os.kill(-1, signal.SIGCONT)
except OSError:
    pass
for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
    if pid != os.getpid():
        try:
            os.kill(pid, signal.SIGKILL)
            print("killed", pid)
        except OSError:
            pass
""")
    other = exec_service.wait(victim)["result"]
    assert other["verdict"] == "ok", other
    uid, last = other["stdout"].split()
    assert last == "unharmed"
    assert attacker["stdout"].split() != [uid]
    assert attacker["stdout"].strip().isdigit(), attacker["stdout"]
    assert_nothing_left(docker, shared_runner, job_dir)


# With the user shared, and alone ---------------------------------------------------------------------

FORK_BOMB = """
import os
while True:
    try:
        if os.fork() == 0:
            os.setsid()
    except OSError:
        pass
"""
DAEMON = """
import os, signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(300)
    os._exit(0)
print("main is done", flush=True)
"""
SIGNAL_THE_SUPERVISOR = """
import fcntl, os, resource, signal
pid = os.getppid()
reader, writer = os.pipe()
fcntl.fcntl(reader, 10, signal.SIGKILL)  # F_SETSIG
for name, attack in (
        ("kill", lambda: os.kill(pid, signal.SIGKILL)),
        ("kill the group", lambda: os.kill(-pid, signal.SIGKILL)),
        ("kill all", lambda: os.kill(-1, signal.SIGKILL)),
        ("owner", lambda: fcntl.fcntl(reader, fcntl.F_SETOWN, pid)),
        ("owner of the group", lambda: fcntl.fcntl(reader, fcntl.F_SETOWN, -pid)),
        ("limits", lambda: resource.prlimit(pid, resource.RLIMIT_CPU, (0, 0))),
        ("pidfd", lambda: os.pidfd_open(pid))):
    try:
        attack()
        print(name)
    except OSError:
        pass
fcntl.fcntl(reader, fcntl.F_SETFL, fcntl.fcntl(reader, fcntl.F_GETFL) | os.O_ASYNC)
os.write(writer, b"x")
print("alone")
"""


LEFTOVERS = """
import os
for folder in ("/tmp", "/var/tmp", "/dev/shm", "."):
    try:
        os.makedirs(folder + "/left/over", exist_ok=True)
        open(folder + "/left/over/file", "w").write("x" * 1000)
        os.chmod(folder + "/left/over", 0o500)
        os.chmod(folder + "/left", 0)
    except OSError:
        pass
"""
FOLDERS_IN_FOLDERS = """
import os
for start in (os.getcwd(), "/tmp"):
    os.chdir(start)
    for _ in range(3000):
        os.mkdir("d")
        os.chdir("d")
    open("file", "w").close()
"""


@pytest.fixture(params=["own user", "shared user", "single-use"])
def any_mode(request, docker, job_dir):
    """(service, nothing_left) for each way of running jobs in containers."""
    if request.param == "single-use":
        return request.getfixturevalue("single_use"), lambda: only_spares_run(docker)
    if request.param == "shared user":
        service = request.getfixturevalue("shared_user")
        return service, service.nothing_left
    name = request.getfixturevalue("shared_runner")
    return (request.getfixturevalue("exec_service"),
            lambda: assert_nothing_left(docker, name, job_dir))


def only_spares_run(docker):
    """In single-use containers nothing runs but supervisors that wait for a job."""

    def idle():
        ids = docker.output("ps", "--quiet", "--filter", "label=sandbox.owner").split()
        tops = [docker.run("top", one, "-eo", "pid,args", check=False) for one in ids]
        return all(top.returncode == 0 and len(top.stdout.splitlines()) <= 2 for top in tops)

    eventually(idle, 60, what="the end of the jobs' containers")


def test_forkBombOfDaemons_leavesNothing(any_mode):
    service, nothing_left = any_mode
    result = service.run(FORK_BOMB, timeout="1s")
    assert result["verdict"] in ("time_limit", "memory_limit", "process_limit", "signalled")
    nothing_left()
    assert service.run("print('clean')")["stdout"] == "clean\n"


def test_daemon_diesWithItsJob(any_mode):
    service, nothing_left = any_mode
    result = service.run(DAEMON, timeout="30s")
    assert (result["verdict"], result["stdout"]) == ("ok", "main is done\n")
    assert result["usage"]["wall_time_ms"] < 5000
    nothing_left()


@pytest.mark.parametrize("code", [LEFTOVERS, FOLDERS_IN_FOLDERS], ids=["closed", "deep"])
def test_leftoverFiles_areRemoved(any_mode, code):
    service, nothing_left = any_mode
    assert service.run(code + "print('made')\n")["stdout"] == "made\n"
    nothing_left()
    assert service.run("print('clean')")["stdout"] == "clean\n"


def test_cancel_killsTheWholeTree(any_mode):
    service, nothing_left = any_mode
    job = service.submit(DAEMON + "time.sleep(50)\n", timeout="60s")
    EventReader(service, job).until(lambda event: event.kind == "stdout")
    started = time.monotonic()
    assert service.request("DELETE", f"/v1/execute/{job}").status == 200
    assert service.wait(job)["status"] == "cancelled"
    nothing_left()
    assert time.monotonic() - started < 20


def test_usage_isToldWhileTheJobRuns(any_mode):
    busy = """
import os, time
held = bytearray(b"x" * (50 << 20))
for _ in range(3):
    if os.fork() == 0:
        time.sleep(50)
        os._exit(0)
while True:
    pass
"""
    service, _ = any_mode
    job_id = service.submit(busy, timeout="50s", limits={"cpu_time": "50s"})
    reader = EventReader(service, job_id)
    usage = reader.until(lambda e: e.kind == "usage" and e.data["processes"] == 4
                         and e.data["memory_bytes"] >= 50 << 20 and e.data["cpu_time_ms"] > 100).data
    assert usage["wall_time_ms"] >= 250 and usage["memory_peak_bytes"] >= usage["memory_bytes"]
    assert service.job(job_id)["usage"]["processes"] == 4
    assert service.request("DELETE", f"/v1/execute/{job_id}").status == 200
    assert "usage" not in service.wait(job_id)
    reader.close()


def test_supervisorOfTheSameUser_cannotBeSignalled(shared_user):
    result = shared_user.run(SIGNAL_THE_SUPERVISOR)
    assert (result["verdict"], result["stdout"]) == ("ok", "alone\n")
    shared_user.nothing_left()


@pytest.mark.long
@pytest.mark.parametrize("user", ["0:0", "10001:10001"])
def test_supervisorKilled_leavesNothing(docker, job_dir, only_python, user):
    with runner(docker, "bereaved", job_dir) as name:
        with docker_service(docker, job_dir, SANDBOX_CONTAINER=name, SANDBOX_DOCKER_USER=user,
                            SANDBOX_SLOTS="2", **only_python) as service:
            # Two at once, so that it is not the first of the users whose supervisor dies.
            jobs = [service.submit(DAEMON + "time.sleep(50)\n", timeout="60s") for _ in range(2)]
            for job in jobs:
                EventReader(service, job).until(lambda event: event.kind == "stdout")
            supervisors = [int(line.split()[0]) for line in docker.processes(name)
                           if "sandbox-supervisor-" in line]
            assert len(supervisors) == 2
            os.kill(supervisors[1], signal.SIGKILL)
            eventually(lambda: container(service, name)["state"] == "draining",
                       what="the loss to be noticed")
            assert "lost" in container(service, name)["error"]
            for job in jobs:
                assert service.request("DELETE", f"/v1/execute/{job}").status == 200
            wait_for_state(service, name, "up")
            assert_nothing_left(docker, name, job_dir)
            assert service.run("print('next')")["stdout"] == "next\n"


def test_serviceKilled_leavesNothingRunning(docker, job_dir, only_python):
    with runner(docker, "orphan", job_dir) as name:
        with docker_service(docker, job_dir, SANDBOX_CONTAINER=name, **only_python) as service:
            job = service.submit(SLEEP, timeout="30s")
            eventually(lambda: job_processes(docker, name), what="the job to run")
            service.kill()
            assert_nothing_left(docker, name, job_dir)
            service.start(SANDBOX_TIMEOUT="1s")
            ended = service.wait(job)
            assert (ended["status"], ended["attempts"]) == ("completed", 2)


# Faults ---------------------------------------------------------------------------------------------


def test_containerMissing_isRefusedByName(docker, job_dir, only_python):
    said = refusal(docker, job_dir, SANDBOX_CONTAINER="no-such-container", **only_python)
    assert "no-such-container" in said and "SANDBOX_CONTAINER" in said


def test_dockerMissing_isRefusedByName(docker, job_dir, only_python):
    for program in ("/nonexistent/docker", "no-such-docker", "/etc"):
        said = refusal(docker, job_dir, SANDBOX_DOCKER_BIN=program, **only_python)
        assert "SANDBOX_DOCKER_BIN" in said and program in said


def test_daemonDown_isRefused(docker, job_dir, only_python):
    said = refusal(docker, job_dir, DOCKER_HOST="unix:///nonexistent/docker.sock", **only_python)
    assert "/nonexistent/docker.sock" in said
    assert "SANDBOX_BACKEND" in said or "DOCKER_HOST" in said


def test_jobFolderNotShared_isRefusedByName(docker, only_python):
    with job_folder() as shared, job_folder() as other, runner(docker, "elsewhere", other) as name:
        said = refusal(docker, shared, SANDBOX_CONTAINER=name, **only_python)
    assert "SANDBOX_JOB_DIR" in said and str(shared) in said


def test_imageWithoutAToolchain_isToldByTheLanguages(docker, job_dir):
    with runner(docker, "no-go", job_dir, "--volume", "/dev/null:/usr/lib/go-1.19/bin/go") as name:
        with docker_service(docker, job_dir, SANDBOX_CONTAINER=name) as service:
            languages = {one["id"]: one for one in service.get("/v1/languages").json["languages"]}
            assert languages["python"]["available"] is True
            assert languages["go"]["available"] is False
            assert "no-go" in json.dumps(languages["go"])
            assert service.run("print(1)")["stdout"] == "1\n"


def test_jobFolderFull_isAPlainMessage(docker, only_python):
    with job_folder() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=755", "tmpfs", folder],
                       check=True)
        try:
            with runner(docker, "full", folder) as name:
                with docker_service(docker, folder, SANDBOX_CONTAINER=name,
                                    SANDBOX_MAX_ATTEMPTS="1", **only_python) as service:
                    filler = folder / "filler"
                    with open(filler, "wb") as file:
                        try:
                            while True:
                                file.write(b"x" * 65536)
                                file.flush()
                        except OSError:
                            pass
                    job = service.wait(service.submit("print(1)", stdin="y" * (1 << 20)))
                    text = json.dumps(job)
                    assert job["status"] == "failed" or (
                        job["result"]["verdict"] == "internal_error"), text
                    assert "SANDBOX_JOB_DIR" in text or "ENOSPC" in text or "space" in text, text
                    filler.unlink()
                    assert service.run("print('room')")["stdout"] == "room\n"
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("action,state", [
    pytest.param("kill", "exited", marks=pytest.mark.long), ("pause", "paused")])
def test_containerThatGoesInMidJob_isTakenOutAndTakenBack(docker, job_dir, only_python, action,
                                                          state):
    with runner(docker, "unsteady", job_dir) as name:
        with docker_service(docker, job_dir, SANDBOX_CONTAINER=name, **only_python) as service:
            job = service.submit("import time; print('a', flush=True); time.sleep(3); print('b')",
                                 timeout="8s")
            eventually(lambda: job_processes(docker, name), what="the job to run")
            docker.run(action, name)
            assert docker.state(name) == state
            down = wait_for_state(service, name, "down")
            assert down["error"]
            docker.run("start" if action == "kill" else "unpause", name)
            ended = service.wait(job)
            assert ended["status"] == "failed" or ended["result"]["stdout"] == "a\nb\n", ended
            wait_for_state(service, name, "up")
            assert service.run("print('back')")["stdout"] == "back\n"


# Pools ----------------------------------------------------------------------------------------------


def test_pool_worksOnWithoutADeadContainer(docker, job_dir, only_python):
    with runner(docker, "one", job_dir), runner(docker, "two", job_dir):
        with docker_service(docker, job_dir, SANDBOX_LANGUAGE_CONTAINERS="python=one|two",
                            SANDBOX_SLOTS="2", **only_python) as service:
            wait_for_state(service, "one", "up")
            wait_for_state(service, "two", "up")
            docker.run("kill", "one")
            assert wait_for_state(service, "one", "down")["error"]
            jobs = [service.submit("print('two')") for _ in range(4)]
            assert all(service.wait(job)["result"]["stdout"] == "two\n" for job in jobs)
            docker.run("start", "one")
            assert "error" not in wait_for_state(service, "one", "up")


def test_pool_balancesByFreeSlots(docker, job_dir, only_python):
    with runner(docker, "one", job_dir, "--hostname", "one"), \
         runner(docker, "two", job_dir, "--hostname", "two"):
        with docker_service(docker, job_dir, SANDBOX_LANGUAGE_CONTAINERS="python=one|two",
                            SANDBOX_SLOTS="2", **only_python) as service:
            wait_for_state(service, "one", "up")
            wait_for_state(service, "two", "up")
            code = "import os, time; time.sleep(1); print(os.uname().nodename)"
            jobs = [service.submit(code) for _ in range(2)]
            seen = {service.wait(job)["result"]["stdout"].strip() for job in jobs}
            assert seen == {"one", "two"}


def test_labels_areFollowed(docker, job_dir, only_python):
    label = ("--label", "sandbox.language=python")
    with runner(docker, "first", job_dir, *label):
        with docker_service(docker, job_dir, **only_python) as service:
            assert service.run("print(1)")["stdout"] == "1\n"
            with runner(docker, "second", job_dir, *label):
                wait_for_state(service, "second", "up")
                docker.remove("first")
                eventually(lambda: (container(service, "first") or {}).get("state") != "up",
                           what="the first container to be taken out")
                assert service.run("print(2)")["stdout"] == "2\n"


def test_network_isConnectedBeforeUse(docker, job_dir, only_python):
    docker.run("network", "create", "--internal", "for-jobs")
    try:
        # Not "none": Docker connects nothing to a container that was started with that.
        with runner(docker, "networked", job_dir, network="for-jobs") as name:
            docker.run("network", "create", "--internal", "more")
            try:
                with docker_service(docker, job_dir, SANDBOX_CONTAINER=name, SANDBOX_NETWORK="more",
                                    **only_python) as service:
                    assert service.run("print(1)")["stdout"] == "1\n"
                    connected = docker.output("inspect", "--format",
                                              "{{json .NetworkSettings.Networks}}", name)
                    assert set(json.loads(connected)) == {"for-jobs", "more"}
            finally:
                docker.run("network", "disconnect", "--force", "more", name, check=False)
                docker.run("network", "rm", "more", check=False)
    finally:
        docker.run("network", "rm", "for-jobs")


# Single-use containers ------------------------------------------------------------------------------


def test_singleUse_runsBothLanguages(single_use):
    assert single_use.run("print(6 * 7)")["stdout"] == "42\n"
    result = single_use.run("package main\n\nfunc main() { print(42) }\n", "go")
    assert (result["verdict"], result["stderr"]) == ("ok", "42")


def test_singleUse_sharesNothing(single_use):
    assert json.loads(single_use.run("""
import json, os
def line(name):
    return next(l.split()[1] for l in open("/proc/self/status") if l.startswith(name))
def writable(path):
    try:
        open(path, "w").close()
        return True
    except OSError:
        return False
print(json.dumps([os.getuid() != 0, line("CapBnd"), line("NoNewPrivs"), os.listdir("/sys/class/net"),
                  writable("/usr/x"), writable("/etc/x"),
                  sum(p.isdigit() for p in os.listdir("/proc")) <= 3]))
""")["stdout"]) == [True, "0000000000000000", "1", ["lo"], False, False, True]


@pytest.mark.long
def test_singleUse_limitsAndLeavesNothing(docker, single_use):
    assert single_use.run("x = bytearray(1 << 30)")["verdict"] in ("memory_limit", "nonzero_exit")
    assert single_use.run("while True: pass", timeout="1s")["verdict"] == "time_limit"
    only_spares_run(docker)


@pytest.mark.long
def test_singleUse_withAnUnknownRuntime_namesTheVariable(docker, job_dir, only_python):
    said = refusal(docker, job_dir, SANDBOX_DOCKER_MODE="single-use",
                   SANDBOX_DOCKER_IMAGE=RUNNER_IMAGE, SANDBOX_DOCKER_RUNTIME="nonesuch", **only_python)
    assert "SANDBOX_DOCKER_RUNTIME" in said or "nonesuch" in said


# Last: it takes the daemon away ---------------------------------------------------------------------


@pytest.mark.long
def test_daemonKilledInMidJob_isToldAndTheJobEndsAfterItsReturn(docker, job_dir, only_python):
    with runner(docker, "bereft", job_dir) as name:
        with docker_service(docker, job_dir, SANDBOX_CONTAINER=name, **only_python) as service:
            job = service.submit("import time; time.sleep(2); print('done')", timeout="8s")
            eventually(lambda: job_processes(docker, name), what="the job to run")
            docker.kill_daemon()
            started = time.monotonic()
            eventually(lambda: container(service, name)["state"] != "up", 60,
                       what="the container to be taken out")
            assert service.get("/health/live").status == 200
            assert time.monotonic() - started < 60
            docker.start()
            docker.run("start", name)
            ended = service.wait(job)
            assert ended["status"] == "failed" or ended["result"]["stdout"] == "done\n", ended
            wait_for_state(service, name, "up")
            assert service.run("print('back')")["stdout"] == "back\n"
            assert_nothing_left(docker, name, job_dir)
