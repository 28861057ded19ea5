"""Judging: tests of a submission, each in a sandbox of its own."""

import base64
import io
import zipfile

import pytest

from service import eventually, running

ADD = "print(sum(map(int, input().split())))"


def judge(service, code=ADD, language="python", **members):
    response = service.post({"language": language, "code": code, **members})
    assert response.status == 202, response.body
    job = service.wait(response.json["id"])
    assert job["status"] == "completed", job
    return job["result"]


def test(stdin, expected, **members):
    return {"stdin": stdin, "expected_output": expected, **members}


test.__test__ = False


def letters(result):
    return [one["verdict_codes"]["dmoj"] for one in result["tests"]]


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def any_store(request):
    with running(JOB_STORE=request.param, SANDBOX_SLOTS="2") as created:
        yield created


def test_tests_areAnsweredInTheirOrder(any_store):
    result = judge(any_store, tests=[test(f"{i} {i}", str(2 * i), name=f"t{i}") for i in range(30)])
    assert result["verdict"] == "ok"
    assert result["verdict_codes"] == {"dmoj": "AC", "codeforces": "OK"}
    assert (result["points"], result["max_points"]) == (30, 30)
    assert [one["name"] for one in result["tests"]] == [f"t{i}" for i in range(30)]
    assert [one["stdout"] for one in result["tests"]] == [f"{2 * i}\n" for i in range(30)]
    assert result["usage"]["memory_peak_bytes"] == max(
        one["usage"]["memory_peak_bytes"] for one in result["tests"])


def test_everyVerdict_standsBesideTheLettersOfOthers(any_store):
    code = """
import os, sys
exec(input())
"""
    inputs = {"print(1)": "AC", "print(2)": "WA", "sys.exit(3)": "IR", "os.abort()": "RTE",
              "while True: pass": "TLE", "x = b'x' * (1 << 30)": "MLE", "print('x' * 200_000)": "OLE"}
    result = judge(any_store, code, timeout="1500ms",
                   limits={"memory_bytes": 64 << 20, "output_bytes": 100_000},
                   tests=[test(line, "1") for line in inputs])
    assert letters(result) == list(inputs.values())
    assert result["verdict"] == "wrong_answer"
    assert result["message"].startswith("Test 2: The answer differs in line 1")
    assert result["tests"][1]["difference"]["expected"] == "1"
    assert result["tests"][1]["difference"]["actual"] == "2"
    assert result["points"] == 1


def test_checkers_decide(service):
    code = "import sys; sys.stdout.write(sys.stdin.read())"
    cases = [("a \nb\n\n", "a\nb", "lines", True), ("a  b", "a b", "lines", False),
             ("a\n", "a", "exact", False), ("a\n", "a\n", "exact", True),
             ("1\n 2", "1 2", "tokens", True), ("1.0000001", "1", "floats", True),
             ("1.1", "1", "floats", False), ("b\na", "a\nb", "unordered_lines", True),
             ("a\na", "a\nb", "unordered_lines", False)]
    result = judge(service, code, tests=[test(stdin, expected, checker=checker)
                                         for stdin, expected, checker, _ in cases])
    assert letters(result) == ["AC" if right else "WA" for *_, right in cases]
    result = judge(service, code, tests=[
        test("1.1", "1", checker="floats", tolerance=0.2),
        test("x\xff", "x\xff"), {"stdin": "anything"}])
    assert letters(result) == ["AC", "AC", "AC"]
    assert result["tests"][2]["stdout"] == "anything"


def test_ownArgumentsAndInput_goBeforeTheJobs(service):
    result = judge(service, "import sys; print(sys.argv[1:], input())", stdin="job", args=["a"],
                   tests=[{"expected_output": "['a'] job"},
                          {"args": [], "stdin": "own", "expected_output": "[] own"}])
    assert letters(result) == ["AC", "AC"]


def test_groups_areAllOrNothing(service):
    tests = [test("1 1", "2", points=5, group="a"), test("1 2", "4", points=5, group="a"),
             test("2 2", "4", points=7, group="b"), test("3 3", "6", points=1)]
    result = judge(service, tests=tests)
    assert (result["points"], result["max_points"]) == (8, 18)
    assert [one["points"] for one in result["tests"]] == [0, 0, 7, 1]


def test_stopOnFailure_skipsTheRest(any_store):
    tests = [test("1 1", "2" if i != 4 else "x") for i in range(40)]
    result = judge(any_store, tests=tests, stop_on_failure=True)
    assert letters(result) == ["AC"] * 4 + ["WA"] + ["SC"] * 35
    assert result["points"] == 4


def test_compiledProgram_isCompiledOnce(service):
    code = """package main

import "fmt"

func main() {
	var a, b int
	fmt.Scan(&a, &b)
	fmt.Println(a+b)
}
"""
    result = judge(service, code, "go", tests=[test(f"{i} 1", str(i + 1)) for i in range(20)])
    assert letters(result) == ["AC"] * 20
    assert result["compile"]["exit_code"] == 0
    broken = judge(service, "package main\nfunc main() { x }", "go", tests=[test("", "")] * 3)
    assert broken["verdict"] == "compile_error"
    assert letters(broken) == ["SC"] * 3
    assert (broken["points"], broken["max_points"]) == (0, 3)


def test_tests_seeNothingOfEachOther(service):
    code = """
import os
print(sorted(os.listdir(".")), sorted(os.listdir("/tmp")), sorted(os.listdir("/dev/shm")))
for folder in (".", "/tmp", "/dev/shm"):
    open(os.path.join(folder, "left"), "w").write("x")
"""
    clean = "['data', 'main.py'] [] []"
    result = judge(service, code, files=[{"path": "data", "content": ""}],
                   tests=[{"expected_output": clean} for _ in range(10)])
    assert letters(result) == ["AC"] * 10


def test_outputs_areBounded(service):
    result = judge(service, "print('x' * 500_000)",
                   tests=[{"expected_output": "y" * 500_000}] * 3 + [{}] * 3)
    for one in result["tests"][:3]:
        assert one["verdict"] == "wrong_answer"
        assert len(one["stdout"]) <= 4096 and one["stdout_truncated"]
        assert len(one["difference"]["expected"]) <= 210
    for one in result["tests"][3:]:
        assert len(one["stdout"]) == 65536 and one["stdout_truncated"]


def test_cancel_worksInTheMiddle(any_store):
    code = "import time; time.sleep(0.05)"
    job_id = any_store.submit(code, tests=[{} for _ in range(1000)])
    eventually(lambda: any_store.job(job_id)["status"] == "running")
    assert any_store.request("DELETE", f"/v1/execute/{job_id}").status == 200
    assert any_store.wait(job_id)["status"] == "cancelled"
    assert any_store.run("print('next')")["stdout"] == "next\n"


def test_longJudging_holdsUpNobody(any_store):
    """Two slots: the judge borrows the second, and gives it back between tests."""
    long_job = any_store.submit("import time; time.sleep(0.2)", tests=[{} for _ in range(100)])
    eventually(lambda: any_store.job(long_job)["status"] == "running")
    others = [any_store.run(f"print({i})") for i in range(5)]
    assert [other["stdout"] for other in others] == [f"{i}\n" for i in range(5)]
    assert any_store.job(long_job)["status"] == "running"
    any_store.request("DELETE", f"/v1/execute/{long_job}")
    any_store.wait(long_job)


def test_serviceKilled_judgesAgain(start_service):
    service = start_service(JOB_STORE="sqlite")
    job_id = service.submit("import time; time.sleep(0.1); print(1)",
                            tests=[{"expected_output": "1"} for _ in range(30)])
    eventually(lambda: service.job(job_id)["status"] == "running")
    service.kill()
    service.start()
    job = service.wait(job_id)
    assert job["attempts"] == 2
    assert letters(job["result"]) == ["AC"] * 30


@pytest.mark.parametrize("members, field", [
    ({"tests": {}}, "tests"),
    ({"tests": [1]}, "tests[0]"),
    ({"tests": [{}] * 1001}, "tests"),
    ({"tests": [{"input": ""}]}, "tests[0].input"),
    ({"tests": [{"stdin": 1}]}, "tests[0].stdin"),
    ({"tests": [{"args": "x"}]}, "tests[0].args"),
    ({"tests": [{"expected_output": "", "checker": "diff"}]}, "tests[0].checker"),
    ({"tests": [{"checker": "exact"}]}, "tests[0].checker"),
    ({"tests": [{"expected_output": "", "tolerance": 0.1}]}, "tests[0].tolerance"),
    ({"tests": [{"expected_output": "", "checker": "floats", "tolerance": -1}]},
     "tests[0].tolerance"),
    ({"tests": [{"points": -1}]}, "tests[0].points"),
    ({"tests": [{"points": 1.5}]}, "tests[0].points"),
    ({"tests": [{"name": "x" * 101}]}, "tests[0].name"),
    ({"tests": [{"group": "a\n"}]}, "tests[0].group"),
    ({"stop_on_failure": True}, "stop_on_failure"),
    ({"tests": [{}], "stop_on_failure": 1}, "stop_on_failure"),
    ({"tests": [{"stdin": "x" * (17 << 20)}]}, "tests[0].stdin"),
])
def test_wrongField_isNamed(service, members, field):
    response = service.post({"language": "python", "code": "", **members})
    assert (response.status, response.fields()) == (422, [field])


# Checker programs.

CLOSE = """
import sys
asked, said, answer = (open(name).read().split() for name in sys.argv[1:4])
if len(said) != 1:
    print("one number, please", file=sys.stderr)
    sys.exit(2)
if said[0] == "fail":
    raise SystemExit(3)
if said[0] == "crash":
    import os
    os.abort()
print(f"{said[0]} for {asked[0]}, {answer}", file=sys.stderr)
sys.exit(abs(int(said[0]) - int(asked[0])) > 1)
"""


def program(code, language="python", **members):
    return {"type": "program", "language": language, "code": code, **members}


def test_checkerProgram_decides(any_store):
    inputs = {"5": "AC", "6 if asked == 5 else 5": "AC", "7": "WA", "'fail'": "IE", "'crash'": "IE",
              "'1 2'": "WA"}
    code = "asked = 5\nprint(eval(input().split(maxsplit=1)[1]))"
    result = judge(any_store, code, checker=program(CLOSE),
                   tests=[{"stdin": f"5 {said}"} for said in inputs])
    assert letters(result) == list(inputs.values())
    assert [one["verdict"] for one in result["tests"]] == [
        "ok", "ok", "wrong_answer", "checker_error", "checker_error", "presentation_error"]
    assert result["tests"][0]["checker_output"] == "5 for 5, []\n"
    assert result["tests"][5]["checker_output"] == "one number, please\n"
    assert (result["verdict"], result["points"]) == ("wrong_answer", 2)
    assert "compile" not in result and "checker" not in result


def test_checkerProgram_isCompiledOnce(any_store):
    code = """
    #include <fstream>
    #include "verdict.h"
    int main(int, char** argv) {
      std::ifstream input(argv[1]), output(argv[2]), answer(argv[3]);
      int a, b, said, right;
      input >> a >> b; output >> said; answer >> right;
      return said == a + b && right == said ? kRight : kWrong;
    }
    """
    files = [{"path": "verdict.h", "content": "enum { kRight = 0, kWrong = 1 };"}]
    result = judge(any_store, checker=program(code, "cpp", files=files),
                   tests=[test(f"{i} {i}", str(2 * i)) for i in range(10)] + [test("1 1", "3")])
    assert letters(result) == ["AC"] * 10 + ["WA"]
    assert result["checker"]["exit_code"] == 0


def test_checkerProgram_mayBeAnArchive(any_store):
    with io.BytesIO() as packed:
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("main.py", "import sys, lib.rule\nsys.exit(lib.rule.of('output'))")
            archive.writestr("lib/rule.py", "def of(path): return 0 if open(path).read() == '2\\n' else 1")
        content = base64.b64encode(packed.getvalue()).decode()
    checker = {"type": "program", "language": "python", "archive": {"format": "zip", "content": content}}
    result = judge(any_store, checker=checker, tests=[{"stdin": "1 1"}, {"stdin": "1 2"}])
    assert letters(result) == ["AC", "WA"]
    # The same as files.
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(content))) as archive:
        files = [{"path": name, "content": archive.read(name).decode()} for name in archive.namelist()]
    result = judge(any_store, checker={"type": "program", "language": "python", "files": files},
                   tests=[{"stdin": "1 1"}, {"stdin": "1 2"}])
    assert letters(result) == ["AC", "WA"]


def test_allTestsTogether_haveATime(start_service):
    service = start_service(SANDBOX_JUDGE_TIMEOUT="3s", SANDBOX_SLOTS="2")
    code = "import time\ntime.sleep(float(input()))"
    result = judge(service, code, timeout="20s",
                   tests=[{"stdin": seconds} for seconds in ("0", "15", "0", "15", "0", "0")])
    assert letters(result) == ["AC", "TLE", "AC", "TLE", "SC", "SC"]
    assert result["verdict"] == "time_limit"
    assert result["message"] == "Test 2: All tests together took longer than 3s."
    assert result["tests"][4]["message"] == "All tests together took longer than 3s."
    assert 2500 < result["tests"][1]["usage"]["wall_time_ms"] < 15_000
    assert result["tests"][1]["usage"]["memory_peak_bytes"] > 0
    assert result["tests"][4]["usage"]["wall_time_ms"] == 0
    # The places of the killed ones are free.
    assert letters(judge(service, tests=[test("1 1", "2")])) == ["AC"]


def test_checkerProgram_thatDoesNotCompileIsNotHeldAgainstTheProgram(any_store):
    result = judge(any_store, checker=program("int main() { return x; }", "c"), tests=[test("1", "1")])
    assert result["verdict"] == "checker_error"
    assert letters(result) == ["SC"]
    assert "x" in result["checker"]["stderr"]


def test_checkerProgram_hasLimitsOfItsOwn(start_service):
    service = start_service(SANDBOX_COMPILE_TIMEOUT="2s", SANDBOX_SLOTS="2")
    result = judge(service, "print(1)", checker=program("while True: pass"), tests=[test("", "")])
    assert letters(result) == ["IE"]
    assert "time limit of 2s" in result["tests"][0]["message"]
    flood = judge(service, "print(1)", checker=program("while True: print('x' * 1000)"),
                  tests=[test("", "")])
    assert letters(flood) == ["IE"]
    assert len(flood["tests"][0]["checker_output"]) <= 4096


def test_checkerProgram_seesNothingOfTheProgramButItsOutput(any_store):
    look = """
import os, sys
print(sorted(os.listdir(".")), open("output").read(), file=sys.stderr)
"""
    result = judge(any_store, "open('left', 'w').write('x'); open('/tmp/left', 'w'); print('mine')",
                   checker=program(look), tests=[test("", "")])
    assert result["tests"][0]["checker_output"] == "['answer', 'input', 'main.py', 'output'] mine\n\n"


def test_checkerProgram_standsBesideNamedOnes(any_store):
    result = judge(any_store, "print(5)", checker=program("import sys; sys.exit(1)"),
                   tests=[test("", "5", checker="exact"), test("", "5", checker="lines"), test("", "5")])
    assert letters(result) == ["WA", "AC", "WA"]


def test_checkerProgram_isNotAskedAboutAProgramThatFailed(any_store):
    result = judge(any_store, "import sys; sys.exit(1)", checker=program("pass"), tests=[test("", "")])
    assert letters(result) == ["IR"]
    assert "checker_output" not in result["tests"][0]


def test_checkerProgram_wrongOnesAreRefused(service):
    for checker, field in ((program("", "cobol"), "checker.language"),
                           ({"type": "program", "language": "c"}, "checker.code"),
                           ({"type": "program", "language": "python", "archive": {"format": "zip"}},
                            "checker.archive.content"),
                           (program("", files=[{"path": "input", "content": ""}]),
                            "checker.files[0].path")):
        response = service.post({"language": "python", "code": "", "checker": checker, "tests": [{}]})
        assert response.status == 422
        assert field in response.fields()
