"""GET /v1/interactive with `terminal`: the program's streams are a terminal of its own."""

import hashlib
import json
import os
import time

import pytest

from interactive import Session
from service import eventually

READY = "print('ready', flush=True)\n"
SLEEPS = READY + "import time\ntime.sleep(300)"
INTERRUPT, END, QUIT, SUSPEND = b"\x03", b"\x04", b"\x1c", b"\x1a"


def terminal(service, code, rows=24, cols=80, **members):
    return Session(service, code, terminal={"rows": rows, "cols": cols}, **members)


def answer(service, code, **members):
    """What a program with a terminal prints last, as JSON."""
    with terminal(service, code, **members) as session:
        result = session.result()["result"]
    assert result["verdict"] == "ok", result
    return json.loads(result["stdout"].splitlines()[-1])


def test_terminal_isTheProgramsStreams(service):
    code = """
import json, os, sys
print("err", file=sys.stderr)
print(json.dumps({"isatty": [os.isatty(n) for n in (0, 1, 2)], "names": [os.ttyname(n) for n in (0, 1, 2)],
                  "size": os.get_terminal_size(), "term": os.environ["TERM"],
                  "leader": os.getsid(0) == os.getpid() == os.tcgetpgrp(0), "owner": os.fstat(0).st_uid == os.getuid(),
                  "same": os.path.sameopenfile(0, os.open("/dev/tty", os.O_RDWR))}))
"""
    with terminal(service, code, rows=31, cols=117) as session:
        result = session.result()["result"]
    assert (result["stderr"], session.output("stderr")) == ("", b"")
    first, second = result["stdout"].split("\r\n")[:2]
    assert first == "err"
    assert json.loads(second) == {
        "isatty": [True] * 3, "names": ["/dev/pts/0"] * 3, "size": [117, 31], "term": "xterm-256color",
        "leader": True, "owner": True, "same": True}


def test_terminal_hasADefaultSizeAndTheClientsTerm(service):
    code = "import json, os; print(json.dumps([os.get_terminal_size(), os.environ['TERM']]))"
    with Session(service, code, terminal={}, env={"TERM": "vt100"}) as session:
        assert json.loads(session.result()["result"]["stdout"]) == [[80, 24], "vt100"]


def test_terminal_echoesAndEditsLines(service):
    with terminal(service, "print(repr(input('name? ')))") as session:
        session.until_output(b"name? ")
        session.stdin("adä\x7fax\x7f\n")  # one erase takes one character, however many bytes it has
        assert session.result()["result"]["stdout"] == "name? adä\b \bax\b \b\r\n'ada'\r\n"


def test_terminal_resizeReachesTheProgram(service):
    code = f"""
import os, signal, time
signal.signal(signal.SIGWINCH, lambda *_: os.write(1, b"%dx%d\\n" % os.get_terminal_size()))
{READY}
while True: time.sleep(0.05)
"""
    with terminal(service, code) as session:
        session.until_output(b"ready\r\n")
        for rows, cols in ((40, 132), (1, 1), (1000, 1000)):
            session.resize(rows, cols)
            session.until_output(b"%dx%d\r\n" % (cols, rows))


def test_terminal_resizeBeforeTheProgramRunsIsItsFirstSize(service):
    code = """
    #include <stdio.h>
    #include <sys/ioctl.h>
    int main(void) { struct winsize w; ioctl(0, TIOCGWINSZ, &w); printf("%d %d\\n", w.ws_row, w.ws_col); }
    """
    with terminal(service, code + f"// {os.urandom(8).hex()}", language="c") as session:
        session.resize(5, 6)
        assert session.result()["result"]["stdout"] == "5 6\r\n"


def test_terminal_controlCharactersAreSignals(service):
    code = """
import time
try:
    print("ready", flush=True)
    time.sleep(300)
except KeyboardInterrupt:
    print("interrupted")
"""
    with terminal(service, code) as session:
        session.until_output(b"ready\r\n")
        session.stdin(INTERRUPT)
        assert session.result()["result"]["stdout"] == "ready\r\n^Cinterrupted\r\n"
    with terminal(service, SLEEPS) as session:
        session.until_output(b"ready\r\n")
        session.stdin(QUIT)
        assert session.result()["result"]["signal"] == 3


def test_terminal_signalsAreSentAsWithPipes(service):
    with terminal(service, SLEEPS) as session:
        session.until_output(b"ready\r\n")
        session.signal("TERM")
        assert session.result()["result"]["signal"] == 15


def test_terminal_endOfInputIsACharacter(service):
    """What reads next goes on."""
    code = "import os\nfor _ in range(3): os.write(1, b'<%s>' % os.read(0, 100))"
    with terminal(service, code, stdin="typed ahead\n") as session:
        session.until_output(b"<typed ahead\r\n>")
        session.eof()
        session.until_output(b"<>")
        session.stdin("more\n")
        assert session.result()["result"]["stdout"] == \
            "typed ahead\r\n<typed ahead\r\n><>more\r\n<more\r\n>"


def test_terminal_interpreterOfItsOwn(service):
    code = "import os, sys; os.execv(sys.executable, ['python3', '-q', '-i'])"
    with terminal(service, code, env={"TERM": "dumb"}) as session:
        session.until_output(b">>> ")
        session.stdin("6 * 7\n")
        session.until_output(b"42\r\n>>> ")
        session.stdin("import time; time.sleep(300)\n")
        session.until_output(b"sleep(300)\r\n")
        session.stdin(INTERRUPT)
        session.until_output(b"KeyboardInterrupt\r\n>>> ")
        session.stdin("exit(7)\n")
        assert session.result()["result"]["exit_code"] == 7


def test_terminal_shellWithJobControl(service):
    code = """
import os
os.execve("/bin/bash", ["bash", "--norc", "--noediting", "-i"], {**os.environ, "PS1": "$ "})
"""
    with terminal(service, code) as session:
        session.until_output(b"$ ")
        assert b"job control" not in session.output()
        # What it says, it says in the foreground.
        session.stdin("""sh -c 'trap "echo back" CONT; echo up; while :; do sleep 0.05; done'\n""")
        session.until_output(b"\nup\r\n")
        session.stdin(SUSPEND)
        session.until_output(b"\n$ ")
        assert b"Stopped" in session.output()
        session.stdin("fg\n")
        session.until_output(b"\nback\r\n")
        session.stdin(INTERRUPT)
        session.until_output(b"\n$ ")
        session.stdin("jobs; stty size; tput cols; exit 7\n")
        result = session.result()["result"]
    assert result["exit_code"] == 7
    assert "exit 7\r\n24 80\r\n80\r\n" in result["stdout"]


def test_terminal_modesAreTheProgramsToSet(service):
    code = """
import json, subprocess, termios, tty
before = termios.tcgetattr(0)
tty.setraw(0)
off = not termios.tcgetattr(0)[3] & termios.ECHO
termios.tcsetattr(0, termios.TCSAFLUSH, before)
termios.tcflush(0, termios.TCIOFLUSH)
termios.tcflow(1, termios.TCOON)
termios.tcdrain(1)
print(json.dumps([off, termios.tcgetattr(0) == before, "iutf8" in subprocess.run(["stty", "-a"], stdout=-1, text=True).stdout]))
"""
    assert answer(service, code) == [True, True, True]


def test_terminal_canBeOpenedAgainByName(service):
    code = """
import os, time
for n in (0, 1, 2): os.close(n)
time.sleep(0.2)  # nobody has it open
for name in ("/dev/tty", "/dev/pts/0", "/dev/stdin"):
    os.write(os.open(name, os.O_RDWR), name.encode() + b"\\n")
"""
    with terminal(service, code) as session:
        assert session.result()["result"]["stdout"] == "/dev/tty\r\n/dev/pts/0\r\n/dev/stdin\r\n"


# Limits.

def test_terminal_outputIsBounded(service):
    with terminal(service, "while True: print('x' * 1000)", limits={"output_bytes": 10_000}) as session:
        result = session.result()["result"]
    assert (result["verdict"], result["stdout_truncated"]) == ("output_limit", True)
    assert session.output() == result["stdout"].encode() and len(session.output()) == 10_000


def test_terminal_allOutputArrivesBeforeTheEnd(service):
    code = "import os\nfor i in range(8000): os.write(1, b'%08d' % i * 12 + b'\\n')"
    with terminal(service, code, limits={"output_bytes": 2 << 20}) as session:
        result = session.result()["result"]
    assert session.output() == b"".join(b"%08d" % i * 12 + b"\r\n" for i in range(8000))
    assert result["stdout"].encode() == session.output()


def test_terminal_timeIsBounded(start_service):
    service = start_service(SANDBOX_SESSION_TIMEOUT="1s")
    with terminal(service, "input()") as session:
        assert session.result()["result"]["verdict"] == "time_limit"


def test_terminal_resizeKeepsASessionOpenAndSilenceDoesNot(start_service):
    service = start_service(HTTP_SESSION_IDLE="2s")
    with terminal(service, SLEEPS) as session:
        session.until_output(b"ready\r\n")
        for rows in range(1, 7):
            session.resize(rows, 80)
            time.sleep(0.5)
        assert service.job(session.job_id())["status"] == "running"
        last = session.until_closed()
        assert (last["type"], last["data"]["status"]) == ("error", 408)
        assert service.wait(session.job_id(), deadline=30)["status"] == "cancelled"


@pytest.mark.parametrize("end", ["close", "vanish"])
def test_terminal_withItsClientTheJobIsOver(service, end):
    code = "import signal\nfor s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)\n" + SLEEPS
    with terminal(service, code) as session:
        session.until_output(b"ready\r\n")
        getattr(session, end)()
        assert service.wait(session.job_id(), deadline=30)["status"] == "cancelled"


# What is refused.

@pytest.mark.parametrize("value, field", [
    (True, "terminal"),
    ("24x80", "terminal"),
    ({"rows": 0}, "terminal.rows"),
    ({"rows": 1001}, "terminal.rows"),
    ({"cols": -1}, "terminal.cols"),
    ({"cols": "80"}, "terminal.cols"),
    ({"cols": 80.5}, "terminal.cols"),
    ({"columns": 80}, "terminal.columns"),
])
def test_terminal_wrongSizeIsRefused(service, value, field):
    with Session(service, "", terminal=value) as session:
        last = session.until_closed()
    assert last["data"]["status"] == 422
    assert [error["field"] for error in last["data"]["errors"]] == [field]


@pytest.mark.parametrize("message, field", [
    ({"type": "resize"}, "rows"),
    ({"type": "resize", "rows": 24}, "cols"),
    ({"type": "resize", "rows": 24, "cols": 0}, "cols"),
    ({"type": "resize", "rows": 1001, "cols": 80}, "rows"),
    ({"type": "resize", "rows": 24, "cols": 80, "data": ""}, "data"),
    ({"type": "stdin", "data": "", "cols": 80}, "cols"),
])
def test_terminal_wrongResizeEndsTheSession(service, message, field):
    with terminal(service, SLEEPS) as session:
        session.until_output(b"ready\r\n")
        session.send(message)
        last = session.until_closed()
    assert last["data"]["status"] == 422
    assert field in [error["field"] for error in last["data"]["errors"]]


def test_terminal_resizeNeedsOne(service):
    with Session(service, SLEEPS) as session:
        session.until_output(b"ready\n")
        session.resize(24, 80)
        last = session.until_closed()
        assert [error["field"] for error in last["data"]["errors"]] == ["type"]
        assert service.wait(session.job_id(), deadline=30)["status"] == "cancelled"


def test_terminal_isForSessionsOnly(service):
    refused = service.post({"language": "python", "code": "", "terminal": {"rows": 24, "cols": 80}})
    assert refused.status == 422
    assert refused.json["errors"][0]["field"] == "terminal"


# What attackers do.

def test_terminal_nothingIsTypedForOthers(service):
    """No input is faked, no console reached, no line discipline loaded."""
    code = """
import ctypes, errno, json
libc = ctypes.CDLL(None, use_errno=True)
def ioctl(request):
    ctypes.set_errno(0)
    done = libc.ioctl(0, ctypes.c_ulong(request), ctypes.byref(ctypes.c_int(10)))
    return "done" if done >= 0 else errno.errorcode[ctypes.get_errno()]
upper = 0x7EADBEEF << 32
print(json.dumps({hex(r & 0xFFFFFFFF): ioctl(r) for r in (
    0x5412, 0x5412 | upper, 0x541C, 0x541D, 0x5423, 0x5423 | upper, 0x5431, 0x5441, 0x4B3A)}))
"""
    answers = answer(service, code)
    assert set(answers.values()) == {"ENOSYS"}, answers


def test_terminal_thereIsNoOther(service):
    """No master, no second terminal, none of anybody else's, and no way up from one's own."""
    code = """
import errno, json, os
def attempt(call, *args):
    try:
        return str(call(*args))
    except OSError as e:
        return errno.errorcode[e.errno]
print(json.dumps({
    "folder": sorted(os.listdir("/dev/pts")),
    "chmod": attempt(os.chmod, "/dev/pts/ptmx", 0o666),
    "ptmx": attempt(os.open, "/dev/pts/ptmx", os.O_RDWR),
    "dev/ptmx": attempt(os.open, "/dev/ptmx", os.O_RDWR),
    "openpty": attempt(os.openpty),
    "mknod": attempt(os.mknod, "/box/ptmx", 0o20666, os.makedev(5, 2)),
    "own node": attempt(os.mknod, "/box/pts", 0o20666, os.stat("/dev/pts/0").st_rdev),
    "up": attempt(os.open, "/proc/self/fd/0/../ptmx", os.O_RDWR),
    "up by descriptor": attempt(lambda: os.open("../ptmx", os.O_RDWR, dir_fd=0)),
    "pid 1": attempt(os.listdir, "/proc/1/fd"),
    "pid 1's": attempt(os.open, "/proc/1/fd/3", os.O_RDWR),
    "master": attempt(lambda: __import__("fcntl").ioctl(0, 0x80045430, bytes(4))),
}))
"""
    answers = answer(service, code)
    assert answers.pop("folder") == ["0", "ptmx"]
    opened = {what: got for what, got in answers.items()
              if got not in ("EACCES", "EPERM", "ENOENT", "ENOTDIR", "ENOSYS", "ENOTTY", "EROFS")}
    assert not opened


def test_terminal_ordinaryJobsHaveNone(service):
    code = """
import json, os
def opens(path):
    try:
        os.open(path, os.O_RDWR)
        return True
    except OSError:
        return False
print(json.dumps([os.listdir("/dev/pts"), *map(opens, ("/dev/tty", "/dev/ptmx", "/dev/pts/ptmx")),
                  os.isatty(0), "TERM" in os.environ]))
"""
    assert json.loads(service.run(code)["stdout"]) == [[], False, False, False, False, False]


def test_terminal_oneOfTwoSessionsHearsNothingOfTheOther(service):
    code = f"import os\n{READY}\nos.write(os.open('/dev/pts/0', os.O_RDWR), input().encode() + b'!')"
    with terminal(service, code) as first, terminal(service, code) as second:
        for session, word in ((first, "one"), (second, "two")):
            session.until_output(b"ready\r\n")
            session.stdin(word + "\n")
        assert first.result()["result"]["stdout"] == "ready\r\none\r\none!"
        assert second.result()["result"]["stdout"] == "ready\r\ntwo\r\ntwo!"


def test_terminal_whoHoldsItOpenDoesNotDelayTheEnd(service):
    """A daemon in a session of its own, with the terminal open and stopped output on it."""
    code = """
import os, signal, termios
for s in (signal.SIGHUP, signal.SIGTTOU, signal.SIGINT): signal.signal(s, signal.SIG_IGN)
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    os.write(1, b"held\\n")
    termios.tcflow(1, termios.TCOOFF)
    os.write(write, b"x")
    while True: os.write(1, b"x")
os.read(read, 1)
"""
    with terminal(service, code) as session:
        result = session.result()["result"]
    assert (result["verdict"], result["stdout"]) == ("ok", "held\r\n")


@pytest.mark.parametrize("mode", ["lines", "one line", "raw"])
def test_terminal_floodOfInputThatNobodyReadsIsBounded(service, mode):
    code = ("import tty; tty.setraw(0)\n" if mode == "raw" else "") + SLEEPS
    with terminal(service, code) as session:
        session.until(lambda _: b"ready" in session.output())
        line = b"y" * 49_999 + (b"\n" if mode == "lines" else b"y")
        for _ in range(20 if mode == "one line" else 5):  # what is kept holds us up beyond 256 KiB
            session.stdin(line)
        assert service.run("print(1)")["stdout"] == "1\n"
        session.vanish()
        assert service.wait(session.job_id(), deadline=30)["status"] == "cancelled"


def test_terminal_pasteOfAMegabyteArrivesWhole(service):
    """In raw mode, as an editor has it, read slowly."""
    data = os.urandom(1 << 20)
    code = f"""
import hashlib, os, time, tty
tty.setraw(0)
{READY}
digest, left = hashlib.sha256(), {len(data)}
while left:
    piece = os.read(0, 50_000)
    digest.update(piece)
    left -= len(piece)
    if left % 50 == 0: time.sleep(0.001)
print(digest.hexdigest())
"""
    with terminal(service, code) as session:
        session.until(lambda _: b"ready\n" in session.output())
        for at in range(0, len(data), 50_000):
            session.stdin(data[at:at + 50_000])
        assert hashlib.sha256(data).hexdigest() in session.result()["result"]["stdout"]


def test_terminal_floodOfResizesIsHarmless(service):
    code = f"{READY}print(input())"
    with terminal(service, code) as session:
        session.until_output(b"ready\r\n")
        for i in range(2000):
            session.resize(1 + i % 1000, 1 + i % 999)
        session.stdin("still here\n")
        assert session.result()["result"]["stdout"].endswith("still here\r\n")


def test_terminal_nothingIsLeftOfManySessions(service):
    def descriptors():
        return len(os.listdir(f"/proc/{service.process.pid}/fd"))

    def terminals():
        with open("/proc/sys/kernel/pty/nr", encoding="ascii") as file:
            return int(file.read())

    def mounts():
        with open("/proc/self/mountinfo", encoding="utf8") as file:
            return file.read().count(" - devpts ")

    before = descriptors(), terminals(), mounts()
    for i in range(20):
        session = terminal(service, SLEEPS if i % 2 else "input()")
        session.until(lambda message: message["type"] == "status")
        if i % 4 < 2:
            session.stdin("typed\n")
        session.vanish()
        eventually(lambda: service.get("/health").json["running"] < 4, what="room for another session")
    eventually(lambda: descriptors() <= before[0] + 2, what="all descriptors closed")
    eventually(lambda: terminals() <= before[1], what="no terminal left")
    assert mounts() == before[2]
