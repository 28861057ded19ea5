"""Interactors: a program of the client's talks with the judged one, test by test."""

import concurrent.futures
import time

import pytest

from service import eventually, running
from test_hostile import host  # noqa: F401: fixture
from test_judge import judge, letters
from test_redis import node, redis  # noqa: F401: fixtures

# Guess a number from 1 to 1000 in ten questions. testlib's arguments, exit codes and way to say
# what was wrong, in Python and in C++.
INTERACTOR = """
import sys
number = int(open(sys.argv[1]).read())
for query in range(10):
    try:
        guess = int(input())
    except (EOFError, ValueError) as error:
        print("no number:", type(error).__name__, file=sys.stderr)
        sys.exit(2)
    if guess == number:
        print("right", flush=True)
        print(f"{query + 1} queries", file=sys.stderr)
        sys.exit(0)
    print("less" if guess > number else "more", flush=True)
print("too many queries", file=sys.stderr)
sys.exit(1)
"""
INTERACTOR_CPP = """
#include <iostream>
#include "quit.h"
int main(int, char** argv) {
  std::ifstream in(argv[1]), answer(argv[3]);
  std::ofstream out(argv[2]);
  int number, expected, guess;
  in >> number;
  answer >> expected;
  if (number != expected) quit(_fail, "the test is wrong");
  for (int query = 1; query <= 10; ++query) {
    if (!(std::cin >> guess)) quit(_pe, "no number");
    out << guess << std::endl;
    std::cout << (guess == number ? "right" : guess > number ? "less" : "more") << std::endl;
    if (guess == number) quit(_ok, "found");
  }
  quit(_wa, "too many queries");
}
"""
QUIT_H = """
#include <cstdlib>
#include <fstream>
#include <iostream>
enum { _ok = 0, _wa = 1, _pe = 2, _fail = 3 };
inline void quit(int code, const char* comment) { std::cerr << comment << std::endl; std::exit(code); }
"""
BISECT = """
low, high = 1, 1000
while True:
    guess = (low + high) // 2
    print(guess, flush=True)
    answer = input()
    if answer == "right":
        break
    low, high = (guess + 1, high) if answer == "more" else (low, guess - 1)
"""
BISECT_C = r"""
#include <stdio.h>
int main(void) {
  int low = 1, high = 1000, guess;
  char answer[8] = "";
  while (answer[0] != 'r') {
    printf("%d\n", guess = (low + high) / 2);
    fflush(stdout);
    if (scanf("%7s", answer) != 1) return 3;
    if (answer[0] == 'm') low = guess + 1;
    if (answer[0] == 'l') high = guess - 1;
  }
}
"""


def interactor(code=INTERACTOR, language="python", **members):
    return {"language": language, "code": code, **members}


def interact(service, code=BISECT, language="python", judged_by=None, tests=("7",), **members):
    tests = [test if isinstance(test, dict) else {"stdin": test} for test in tests]
    return judge(service, code, language, interactor=judged_by or interactor(), tests=tests,
                 **members)


def one(service, code, by=None, **members):
    """The result of the only test."""
    return interact(service, code, judged_by=by and interactor(by), **members)["tests"][0]


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def any_store(request):
    with running(JOB_STORE=request.param, SANDBOX_SLOTS="2") as created:
        yield created


def test_guessing_isJudgedByTheInteractor(any_store):
    result = interact(any_store, tests=["1", "500", "777", "1000"])
    assert letters(result) == ["AC"] * 4
    assert (result["verdict"], result["points"]) == ("ok", 4)
    first = result["tests"][1]
    assert first["checker_output"] == "1 queries\n"
    assert first["message"] == "The interactor says that the answer is right."
    assert (first["stdout"], first["stdin"]) == ("500\n", "right\n")
    assert result["tests"][0]["stdin"] == "less\n" * 8 + "right\n"
    assert first["usage"]["memory_peak_bytes"] > 0
    assert "compile" not in result and "checker" not in result


def test_compiledPrograms_areCompiledOnce(any_store):
    by = interactor(INTERACTOR_CPP, "cpp", files=[{"path": "quit.h", "content": QUIT_H}])
    tests = [{"stdin": str(n), "expected_output": str(n)} for n in (1, 400, 999)]
    result = interact(any_store, BISECT_C, "c", by, [*tests, {"stdin": "5", "expected_output": "6"}])
    assert letters(result) == ["AC"] * 3 + ["IE"]
    assert result["tests"][3]["checker_output"] == "the test is wrong\n"
    assert result["compile"]["exit_code"] == 0
    assert result["checker"]["exit_code"] == 0


def test_wrongPrograms_areToldWhatIsWrong(any_store):
    linear = "for i in range(1, 1001):\n    print(i, flush=True)\n    if input() == 'right': break"
    slow = interact(any_store, linear, tests=["5", "900"])
    assert letters(slow) == ["AC", "WA"]
    assert slow["message"] == "Test 2: The interactor says that the answer is wrong."
    assert slow["tests"][1]["checker_output"] == "too many queries\n"
    words = one(any_store, "print('what?', flush=True); input(); input()")
    assert words["verdict"] == "presentation_error"
    silent = one(any_store, "pass")
    assert (silent["verdict"], silent["checker_output"]) == (
        "presentation_error", "no number: EOFError\n")


def test_theInteractor_alsoHasTheJobsInputWhereATestHasNone(any_store):
    result = interact(any_store, stdin="3", tests=[{}, {"stdin": "4"}])
    assert letters(result) == ["AC", "AC"]


def test_theInteractorsFiles_areTestlibs(any_store):
    look = """
import os, sys
open(sys.argv[2], "w").write("x")
print(sys.argv[1:], sorted(os.listdir(".")), repr(open("answer").read()), file=sys.stderr)
"""
    tests = [{"stdin": "1", "expected_output": "a\n"}, {"stdin": "1"}]
    result = interact(any_store, "pass", judged_by=interactor(look), tests=tests)
    files = "['input', 'output', 'answer'] ['answer', 'input', 'main.py', 'output']"
    assert [test["checker_output"] for test in result["tests"]] == [
        f"{files} 'a\\n'\n", f"{files} ''\n"]


def test_programThatFailsByItself_isNotTheInteractors(any_store):
    cases = {"import sys; print(1, flush=True); input(); sys.exit(5)": "nonzero_exit",
             "import os; print(1, flush=True); input(); os.abort()": "signalled",
             "print(1, flush=True); input(); x = b'x' * (1 << 30)": "memory_limit",
             "print(1, flush=True); input()\nwhile True: pass": "time_limit"}
    for code, verdict in cases.items():
        result = interact(any_store, code, tests=["7"], timeout="1s",
                          limits={"memory_bytes": 64 << 20})
        assert result["tests"][0]["verdict"] == verdict, code


def test_programThatDiesOfTheInteractorsComplaint_isWrong(any_store):
    """It reads that it was wrong, or the end, or writes to nobody: all come of the complaint."""
    by = "import sys; input(); print(-1, flush=True); sys.exit(1)"
    for then in ("assert input() != '-1'", "input(); input()", "\nwhile True: print(1, flush=True)"):
        assert one(any_store, f"print(1, flush=True); {then}", by)["verdict"] == "wrong_answer", then


def test_programThatGoesOnAfterItsSuccess_hasTheLastWord(any_store):
    by = "input()"
    assert one(any_store, "print(1, flush=True)\ntry: input()\nexcept EOFError: pass",
               by)["verdict"] == "ok"
    assert one(any_store, "print(1, flush=True); input()", by)["verdict"] == "nonzero_exit"
    assert one(any_store, "print(1, flush=True)\nwhile True: pass", by,
               timeout="500ms")["verdict"] == "time_limit"


def test_deadlock_isAnIdlenessLimit(any_store):
    """The program forgets to flush."""
    forgetful = "import sys; print(1); print(sys.stdin.readline())"
    test = one(any_store, forgetful, timeout="1s")
    assert test["verdict"] == "idleness_limit", test
    assert test["verdict_codes"] == {"dmoj": "TLE", "codeforces": "IDLENESS_LIMIT_EXCEEDED"}
    for asked in ({}, {"idle_timeout": "1s"}):
        began = time.monotonic()
        result = interact(any_store, forgetful, judged_by=interactor(**asked), timeout="30s")
        assert result["verdict"] == "idleness_limit"
        assert f"waited for each other for {1 if asked else 2}" in result["message"]
        assert time.monotonic() - began < 10


def test_whoThinksInSilence_isNotIdle(any_store):
    think = "import time\nwhile time.process_time() < 3: pass\n"
    by = interactor(think + INTERACTOR, idle_timeout="1s")
    result = interact(any_store, think + BISECT, judged_by=by, timeout="50s")
    assert result["verdict"] == "ok", result


def test_interactorThatHangs_isNotHeldAgainstTheProgram(start_service):
    service = start_service(SANDBOX_COMPILE_TIMEOUT="2s")
    hangs = "input()\nwhile True: pass"
    for code in ("print(1, flush=True); input()", "print(1, flush=True)"):
        test = one(service, code, hangs, timeout="1s")
        assert test["verdict"] == "checker_error", test


def test_interactorThatEndsAtOnce_decides(any_store):
    for code, verdict in ((0, "ok"), (1, "wrong_answer"), (4, "presentation_error"),
                          (9, "checker_error")):
        test = one(any_store, "try: print(input())\nexcept EOFError: pass",
                   f"import sys; sys.exit({code})")
        assert test["verdict"] == verdict
    crashed = one(any_store, "input()", "import os; os.abort()")
    assert crashed["verdict"] == "checker_error"
    assert crashed["message"] == "The interactor was ended by signal 6 (SIGABRT)."


def test_interactorThatDoesNotCompile_isNotHeldAgainstTheProgram(any_store):
    result = interact(any_store, judged_by=interactor("int main() { return x; }", "c"))
    assert result["verdict"] == "checker_error"
    assert result["message"].startswith("The interactor: ")
    assert letters(result) == ["SC"]
    assert "x" in result["checker"]["stderr"]


def test_floods_endInTheLimitOfWhoeverWrites(any_store):
    flood = "while True: print('x' * 1000)"
    deaf = "import time; time.sleep(60)"
    limits = {"output_bytes": 1 << 20}
    program = one(any_store, flood, deaf, limits=limits)
    assert program["verdict"] == "output_limit"
    assert len(program["stdout"]) == 65536 and program["stdout_truncated"]
    assert one(any_store, flood, "input()\nwhile True: input()", limits=limits)["verdict"] == (
        "output_limit")
    said = one(any_store, deaf, flood, limits=limits)
    assert said["verdict"] == "checker_error"
    assert "output limit" in said["message"]
    both = one(any_store, flood, flood, limits=limits)
    assert both["verdict"] in ("output_limit", "checker_error")


def test_oneLongLine_reachesTheInteractorWhole(any_store):
    test = one(any_store, "print('x' * 700_000)",
               "import sys; n = len(input()); print(n, file=sys.stderr); print('y' * 700_000)")
    assert (test["verdict"], test["checker_output"]) == ("ok", "700000\n")


def test_manyExchanges_areNotSlow(any_store):
    ask = "for i in range(2000):\n    print(i, flush=True)\n    assert int(input()) == i + 1"
    tell = "import sys\nfor line in sys.stdin: print(int(line) + 1, flush=True)"
    assert one(any_store, ask, tell, timeout="10s")["verdict"] == "ok"


HOSTILE = {
    "closes stdout": ("import os; os.close(1); os.read(0, 1)", {"idleness_limit"}),
    "leaves a child that holds its streams":
        ("import os, time\nif os.fork() == 0: time.sleep(60)\nprint(7, flush=True)", {"ok"}),
    "a child that writes on":
        ("import os\nif os.fork() == 0:\n    while True: os.write(1, b'1\\n')\nos._exit(0)",
         {"ok", "wrong_answer", "presentation_error"}),
    "an endless line": ("while True: print('1' * 4096, end='')", {"output_limit"}),
    "reads nothing": ("while True: print(1, flush=True)", {"wrong_answer"}),
    "stops itself": ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", {"idleness_limit"}),
    "looks for the interactor":
        ("import glob, os, sys\nif os.listdir('.') != ['main.py']: sys.exit(66)\n"
         "for p in glob.glob('/proc/[0-9]*/cmdline'):\n"
         "    if b'answer' in open(p, 'rb').read(): sys.exit(67)\n"
         "print(7, flush=True)", {"ok"}),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostilePrograms_endAndLeaveNothing(host, case):
    code, verdicts = HOSTILE[case]
    host.keep_neighbour()
    test = one(host.service, code, timeout="1s", limits={"output_bytes": 100_000})
    assert test["verdict"] in verdicts, test
    host.check()


def test_points_groupsAndStopOnFailure_areThoseOfTests(any_store):
    small = "for i in range(1, 20):\n    print(i, flush=True)\n    if input() == 'right': break"
    tests = [{"stdin": "1", "points": 5, "group": "a"}, {"stdin": "99", "points": 5, "group": "a"},
             {"stdin": "2", "points": 7, "group": "b"}]
    result = interact(any_store, small, tests=tests)
    assert letters(result) == ["AC", "WA", "AC"]
    assert (result["points"], result["max_points"]) == (7, 17)
    stopped = interact(any_store, small, tests=tests, stop_on_failure=True)
    assert letters(stopped) == ["AC", "WA", "SC"]


def test_hundredTests_runInParallel(any_store):
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(interact, any_store, BISECT_C, "c",
                            interactor(INTERACTOR_CPP, "cpp",
                                       files=[{"path": "quit.h", "content": QUIT_H}]),
                            [{"stdin": str(n), "expected_output": str(n)}
                             for n in range(1, 1001, 10)]) for _ in range(2)]
        others = [any_store.run(f"print({i})")["stdout"] for i in range(5)]
        assert others == [f"{i}\n" for i in range(5)]
        for job in jobs:
            assert letters(job.result()) == ["AC"] * 100


def test_cancel_endsBoth(any_store):
    marker = f"interaction-{time.monotonic_ns()}"
    wait = f"import sys, time; sys.stdin.readline(); time.sleep(60)  # {marker}"
    job_id = any_store.submit(wait, timeout="50s", interactor=interactor(wait),
                              tests=[{} for _ in range(10)])
    eventually(lambda: any_store.job(job_id)["status"] == "running")
    assert any_store.request("DELETE", f"/v1/execute/{job_id}").status == 200
    assert any_store.wait(job_id)["status"] == "cancelled"
    assert any_store.run("print('next')")["stdout"] == "next\n"


def test_nodesOfRedis_shareThem(node):
    api, _first, _second = node("api"), node("worker"), node("worker")
    job_ids = [api.submit(BISECT, interactor=interactor(idle_timeout="20s"),
                          tests=[{"stdin": str(n)} for n in (1, 500, 1000)]) for _ in range(4)]
    for job_id in job_ids:
        assert letters(api.wait(job_id)["result"]) == ["AC"] * 3


@pytest.mark.parametrize("members, field", [
    ({"interactor": 1}, "interactor"),
    ({"interactor": {}}, "interactor.code"),
    ({"interactor": interactor(type="program")}, "interactor.type"),
    ({"interactor": interactor(idle_timeout="500ms")}, "interactor.idle_timeout"),
    ({"interactor": interactor(language="cobol")}, "interactor.language"),
    ({"interactor": interactor(files=[{"path": "output", "content": ""}])},
     "interactor.files[0].path"),
    ({"interactor": interactor(), "tests": [{"expected_output": "", "checker": "lines"}]},
     "tests[0].checker"),
    ({"interactor": interactor(), "checker": {"type": "program", "language": "c", "code": ""}},
     "interactor"),
])
def test_wrongOnes_areRefused(service, members, field):
    response = service.post({"language": "python", "code": "", "tests": [{}], **members})
    assert response.status == 422
    assert field in response.fields()


def test_withoutTests_itIsRefused(service):
    response = service.post({"language": "python", "code": "", "interactor": interactor()})
    assert (response.status, response.fields()) == (422, ["interactor"])
