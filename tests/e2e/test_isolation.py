"""Hostile programs, as jobs. Each ends as it should, and the next job finds a clean service."""

import json
import os
import socket
import textwrap
import threading
import time

import pytest

from service import BUILD, eventually

# Numbers of x86-64.
SYSCALLS = {
    "ptrace": 101, "mount": 165, "pivot_root": 155, "unshare": 272, "setns": 308, "bpf": 321,
    "keyctl": 250, "add_key": 248, "request_key": 249, "perf_event_open": 298, "userfaultfd": 323,
    "io_uring_setup": 425, "init_module": 175, "finit_module": 313, "kexec_load": 246,
    "open_by_handle_at": 304, "syslog": 103, "swapon": 167, "reboot": 169, "move_mount": 429,
    "fsopen": 430, "process_vm_readv": 310, "pidfd_getfd": 438, "memfd_secret": 447,
}

# Without control groups memory is bounded for each process only, and /proc/self/cgroup shows where
# the service is.
needs_cgroup = pytest.mark.modes("as-is", "root", "delegated", "container")


@pytest.fixture(autouse=True)
def clean_afterwards(service):
    yield
    assert service.run("print('clean')")["stdout"] == "clean\n"


@pytest.fixture
def probe(service):
    """Runs Python code that must end well; returns the JSON that it prints."""

    def run(code, **members):
        result = service.run("import json, os\n" + textwrap.dedent(code), **members)
        assert result["verdict"] == "ok", result
        return json.loads(result["stdout"])

    return run


def test_loopbackOfTheHost_isOutOfReach(service, probe):
    listener = socket.create_server(("127.0.0.1", 0))
    ports = [listener.getsockname()[1], service.port, 22, 6379]
    with listener:
        answers = probe(f"""
            import socket
            answers = []
            for port in {ports}:
                for host in ("127.0.0.1", "::1"):
                    try:
                        socket.create_connection((host, port), timeout=1)
                        answers.append(f"connected to {{host}}:{{port}}")
                    except OSError:
                        pass
            print(json.dumps(answers))
            """, timeout="20s")
    assert answers == []


def test_otherHosts_areUnreachable(probe):
    answers = probe("""
        import errno, socket
        answers = []
        for family, host in ((socket.AF_INET, "169.254.169.254"), (socket.AF_INET, "1.1.1.1"),
                             (socket.AF_INET6, "fd00:ec2::254")):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                try:
                    with socket.socket(family, kind) as s:
                        s.settimeout(1)
                        s.connect((host, 80))
                        answers.append(f"connected to {host}")
                except TimeoutError:
                    answers.append(f"a packet left for {host}")
                except OSError:
                    pass
        print(json.dumps(answers))
        """, timeout="20s")
    assert answers == []


def test_abstractUnixSocketOfTheHost_isOutOfReach(probe):
    name = f"code-sandbox-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0" + name)
        listener.listen()
        answer = probe(f"""
            import socket
            try:
                socket.socket(socket.AF_UNIX).connect("\\0{name}")
                print(json.dumps("connected"))
            except OSError:
                print(json.dumps("refused"))
            """)
    assert answer == "refused"


@pytest.mark.parametrize("path", [
    "/etc/shadow", "/root", "/home", "/proc/1/environ", "/proc/1/root/etc/passwd", "/proc/kcore",
    "/proc/sysrq-trigger", "/sys/kernel", "/run", "/var/lib", "/dev/mem", "/dev/kmsg",
    "/proc/self/root/etc/shadow", "../../../../etc/shadow",
])
def test_hostFile_isNotReadable(probe, path):
    content = probe(f"""
        path = {path!r}
        try:
            print(json.dumps(os.listdir(path) if os.path.isdir(path) else open(path).read(100)))
        except OSError:
            print("[]")
        """)
    assert content == []


def test_stateOfTheService_isNotReadable(service, probe):
    folders = [service.environment["STATE_DIR"], str(service.folder)]
    seen = probe(f"print(json.dumps([p for p in {folders} if os.path.exists(p)]))")
    assert seen == []


@pytest.mark.parametrize("path", [
    "/usr/x", "/usr/lib/python3/x", "/etc/ld.so.preload", "/bin/x", "/lib/x", "/x", "/proc/x",
    "/dev/x", "/cache/go/x", "/proc/sys/kernel/core_pattern",
])
def test_systemFolder_isNotWritable(probe, path):
    assert probe(f"""
        try:
            open({path!r}, "w").write("x")
            print(json.dumps("written"))
        except OSError:
            print(json.dumps("refused"))
        """) == "refused"


def test_workFolderAndTmp_areWritableAndBounded(probe):
    answers = probe("""
        answers = {"cwd": os.getcwd()}
        for folder in (".", "/tmp"):
            written = 0
            try:
                with open(folder + "/big", "wb", buffering=0) as f:
                    while written < 200 << 20:
                        written += f.write(b"x" * (1 << 20))
            except OSError as error:
                answers[folder] = [error.strerror, written >> 20]
            os.remove(folder + "/big")
        print(json.dumps(answers))
        """, timeout="20s")
    assert answers["cwd"] == "/box"
    for folder in (".", "/tmp"):
        reason, mebibytes = answers[folder]
        assert reason in ("No space left on device", "File too large")
        assert 48 <= mebibytes <= 64


def test_nothingIsLeftForTheNextJob(service, probe):
    service.run("""
import os
for folder in (".", "/tmp", "/dev/shm", "/var/tmp"):
    try:
        open(folder + "/left-behind", "w").write("x")
    except OSError:
        pass
""")
    assert probe("""
        print(json.dumps([f for f in (".", "/tmp", "/dev/shm", "/var/tmp")
                          if os.path.exists(f + "/left-behind")]))
        """) == []


def test_identity_isAPlainUserWithoutRights(probe):
    identity = probe("""
        lines = open("/proc/self/status").read().splitlines()
        status = dict(line.split(":\\t", 1) for line in lines if ":\\t" in line)
        print(json.dumps({
            "ids": [*os.getresuid(), *os.getresgid()], "groups": os.getgroups(),
            "caps": [status[c] for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
            "no_new_privs": status["NoNewPrivs"], "seccomp": status["Seccomp"],
        }))
        """)
    assert 0 not in identity["ids"]
    assert len(set(identity["ids"])) == 1
    assert 0 not in identity["groups"]
    assert all(int(caps, 16) == 0 for caps in identity["caps"])
    assert identity["no_new_privs"] == "1"
    assert identity["seccomp"] == "2"


def test_otherProcesses_areHidden(probe):
    seen = probe("""
        print(json.dumps({"own": os.getpid(),
                          "pids": [int(p) for p in os.listdir("/proc") if p.isdigit()]}))
        """)
    assert seen["pids"] == [seen["own"]]


def test_otherProcesses_cannotBeSignalled(probe):
    assert probe("""
        import signal
        reached = []
        for pid in (1, *range(2, 5000)):
            if pid != os.getpid():
                try:
                    os.kill(pid, 0 if pid != 1 else signal.SIGKILL)
                    reached.append(pid)
                except OSError:
                    pass
        print(json.dumps([pid for pid in reached if pid != 1]))
        """) == []


def test_environment_holdsOnlyExpectedNames(probe):
    names = probe("print(json.dumps(sorted(os.environ)))")
    assert set(names) <= {"PATH", "HOME", "TMPDIR", "LANG", "LC_CTYPE", "PYTHONDONTWRITEBYTECODE"}


def test_hostname_isSandbox(probe):
    assert probe("print(json.dumps(os.uname().nodename))") == "sandbox"


@needs_cgroup
def test_cgroupAndMounts_tellNothingOfTheHost(service, probe):
    text = probe("print(json.dumps([open('/proc/self/' + f).read() for f in "
                 "('cgroup', 'mountinfo')]))")
    assert all(line.endswith(":/") for line in text[0].split())
    for secret in (str(service.folder), service.environment["STATE_DIR"], socket.gethostname()):
        # The cache's place is known to jobs, and may hold a short host name by chance.
        assert secret not in text[1].replace(str(BUILD), "")


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="system call numbers of x86-64")
@pytest.mark.parametrize("name", sorted(SYSCALLS))
def test_dangerousSystemCall_isDenied(probe, name):
    # The arguments are nonsense: what counts is that the call is refused before they are looked at.
    result, error = probe(f"""
        import ctypes, errno
        libc = ctypes.CDLL(None, use_errno=True)
        result = libc.syscall({SYSCALLS[name]}, 0x10000000, 0, 0, 0, 0, 0)
        print(json.dumps([result, errno.errorcode.get(ctypes.get_errno())]))
        """)
    assert result == -1
    assert error in ("EPERM", "ENOSYS", "EACCES")


def test_newUserNamespace_isDenied(probe):
    answers = probe("""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        CLONE_NEWUSER = 0x10000000
        answers = [libc.unshare(CLONE_NEWUSER)]
        pid = libc.syscall(56, CLONE_NEWUSER | 17, 0, 0, 0, 0)
        if pid == 0:
            os._exit(0)
        answers.append(pid)
        print(json.dumps(answers))
        """)
    assert answers == [-1, -1]


# (family, type, protocol): route netlink is allowed, for the interface lists of language runtimes;
# netfilter's is not.
@pytest.mark.parametrize("kind", [(16, 3, 12), (17, 2, 0), (38, 5, 0), (40, 1, 0), (2, 3, 1), (2, 1, 262)],
                         ids=["netfilter", "packet", "alg", "vsock", "raw", "mptcp"])
def test_socketKind_isDenied(probe, kind):
    assert probe(f"""
        import socket
        try:
            socket.socket(*{kind})
            print(json.dumps("opened"))
        except OSError:
            print(json.dumps("refused"))
        """) == "refused"


def test_symlinkOutOfTheWorkFolder_isUseless(probe):
    answers = probe("""
        answers = []
        for target in ("/etc/shadow", "/proc/1/root", "/root", "../../../etc/shadow"):
            os.symlink(target, "link")
            try:
                answers.append(os.listdir("link") if os.path.isdir("link") else open("link").read())
            except OSError:
                pass
            os.remove("link")
        print(json.dumps(answers))
        """)
    assert answers == []


def test_sourceReplacedBySymlink_leadsNowhere(service):
    result = service.run("""
import os
os.remove("main.py")
os.symlink("/etc/shadow", "main.py")
print("done")
""")
    assert (result["verdict"], result["stdout"]) == ("ok", "done\n")


def test_descriptors_areTheThreeStreams(probe):
    assert probe("""
        open_ones = []
        for fd in range(3, 1024):
            try:
                os.fstat(fd)
                open_ones.append(fd)
            except OSError:
                pass
        print(json.dumps(open_ones))
        """) == []


def test_forkBomb_isContained(service):
    result = service.run("""
import os
print("boom", flush=True)
while True:
    try:
        os.fork()
    except OSError:
        pass
""", timeout="1s")
    assert result["verdict"] in ("time_limit", "memory_limit", "process_limit")
    assert result["usage"]["processes_peak"] <= 64


def test_forkBombOfDaemons_isContained(service):
    result = service.run("""
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


def test_threadBomb_isContained(service):
    result = service.run("""
import threading, time
count = 0
try:
    for _ in range(10_000):
        threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
        count += 1
except RuntimeError:
    print("stopped at", count, flush=True)
import os
os._exit(5)
""")
    assert result["usage"]["processes_peak"] <= 64
    assert "stopped at" in result["stdout"]
    assert (result["verdict"], result.get("exit_code")) in (
        ("nonzero_exit", 5), ("process_limit", 5), ("process_limit", None))


@needs_cgroup
def test_memoryHog_isMemoryLimit(service):
    started = time.monotonic()
    result = service.run("""
blocks = []
while True:
    blocks.append(bytearray(b"x" * (1 << 20)))
""")
    assert result["verdict"] == "memory_limit"
    assert result["usage"]["memory_peak_bytes"] <= 257 << 20
    assert time.monotonic() - started < 30


@needs_cgroup
def test_memoryHogInAChild_isMemoryLimitThoughTheParentExitsWell(service):
    result = service.run("""
import os
pid = os.fork()
if pid == 0:
    blocks = []
    while True:
        blocks.append(bytearray(b"x" * (1 << 20)))
os.waitpid(pid, 0)
print("parent exits well")
""")
    assert result["verdict"] == "memory_limit"


@needs_cgroup
def test_memoryOfManyProcesses_isCountedTogether(service):
    result = service.run("""
import os, time
for _ in range(8):
    if os.fork() == 0:
        block = bytearray(b"x" * (60 << 20))
        time.sleep(10)
time.sleep(10)
""", timeout="5s")
    assert result["verdict"] == "memory_limit"


def test_daemonThatHoldsStdout_doesNotDelayTheAnswer(service):
    result = service.run("""
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


def test_daemon_diesWithItsJob(service, probe):
    marker = f"still-alive-{os.getpid()}-{time.monotonic_ns()}"
    service.run(f"""
import os, sys, time
if os.fork() == 0:
    os.setsid()
    os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(300)", "{marker}"])
time.sleep(0.3)
""")

    def alive():
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    if marker.encode() in f.read():
                        return True
            except OSError:
                continue
        return False

    assert not alive(), "the answer is given only when all processes are dead"


def test_stoppedProcess_isStillKilled(service):
    result = service.run("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", timeout="1s")
    assert result["verdict"] == "time_limit"


def test_stdinThatIsNeverRead_doesNotDelayTheAnswer(service):
    result = service.run("print('not reading')", stdin="x" * (8 << 20))
    assert (result["verdict"], result["stdout"]) == ("ok", "not reading\n")


def test_floodBesideALineWithoutEnd_isCutExactly(service):
    result = service.run("""
import sys
sys.stdout.write("a")
sys.stdout.flush()
while True:
    sys.stdout.write("b" * 65536)
""")
    assert result["verdict"] == "output_limit"
    assert result["stdout"] == "a" + "b" * ((1 << 20) - 1)


def test_crash_leavesNoCore(service):
    result = service.run("import ctypes; ctypes.string_at(0)")
    assert (result["verdict"], result["signal"]) == ("signalled", 11)


def test_goCompiler_cannotReadTheHost(service):
    result = service.run("""package main

import (
	_ "embed"
	"fmt"
)

//go:embed ../../etc/shadow
var secret string

func main() { fmt.Print(secret) }
""", "go")
    assert result["verdict"] == "compile_error"


def test_cgo_isOff(service):
    result = service.run("""package main

// #cgo LDFLAGS: -Wl,--version
// int one(void) { return 1; }
import "C"

func main() { println(C.one()) }
""", "go")
    assert result["verdict"] == "compile_error"


def test_manyHostileJobsAtOnce_allEndAndHealthStaysQuick(service):
    programs = [
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        "while True: print('x' * 1000)",
        "a = []\nwhile True: a.append(bytearray(b'x' * (1 << 20)))",
        "while True: pass",
        "print('innocent')",
    ]
    # The innocent ones have time to get their turn beside the others.
    jobs = [service.submit(programs[n % 5], timeout="30s" if n % 5 == 4 else "1s")
            for n in range(20)]
    slowest = 0.0
    done = threading.Event()

    def watch_health():
        nonlocal slowest
        while not done.wait(0.05):
            started = time.monotonic()
            service.get("/health")
            slowest = max(slowest, time.monotonic() - started)

    watcher = threading.Thread(target=watch_health)
    watcher.start()
    try:
        ended = [service.wait(job) for job in jobs]
    finally:
        done.set()
        watcher.join()
    assert all(job["status"] == "completed" for job in ended)
    assert "internal_error" not in {job["result"]["verdict"] for job in ended}
    assert all(job["result"]["stdout"] == "innocent\n" for job in ended[4::5])
    assert slowest < 2


def test_service_keepsNoDescriptorsOrProcesses(service):
    def measure():
        process = service.process.pid
        children = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    children += int(f.read().rsplit(")", 1)[1].split()[1]) == process
            except OSError:
                continue
        return len(os.listdir(f"/proc/{process}/fd")), children

    service.run("print(1)")
    before = measure()
    for _ in range(30):
        service.run("import os; os.fork(); print(1)")
    eventually(lambda: all(a <= b + 2 for a, b in zip(measure(), before)), 10,
               what="descriptors and processes back to where they were")
