"""Every program of tests/programs/ through the API."""

import pytest

import programs
from service import stream

PROGRAMS = programs.discover()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program(service, program):
    response = service.post(program.submission())
    assert response.status == 202
    job = service.wait(response.json["id"])
    expect = program.expect

    assert job["status"] == "completed", job
    assert job["language"] == program.language
    assert job["attempts"] == 1
    result = job["result"]
    summary = {k: v for k, v in result.items() if k not in ("stdout", "stderr")}
    context = (summary, result["stdout"][:2000], result["stderr"][:2000])
    assert result["verdict"] == expect["verdict"], context
    assert result.get("exit_code") == expect.get("exit_code"), context
    assert result.get("signal") == expect.get("signal") or expect["verdict"] != "signalled", context
    assert result["stdout_encoding"] == expect.get("stdout_encoding", "utf8")
    assert result["stdout_truncated"] == expect.get("stdout_truncated", False)
    assert result["stderr_truncated"] == expect.get("stderr_truncated", False)
    program.check_output(stream(result, "stdout"), stream(result, "stderr"))
    assert expect.get("message_contains", "") in result["message"]

    assert ("compile" in result) == (program.language == "go")
    for part in expect.get("compile_stderr_contains", []):
        assert part in result["compile"]["stderr"]
    if expect["verdict"] == "compile_error":
        assert result["compile"]["exit_code"] != 0
    else:
        usage = result["usage"]
        assert usage["wall_time_ms"] > 0
        assert usage["processes_peak"] >= 1


def test_programs_areManyAndBalanced():
    by_language = {}
    for program in PROGRAMS:
        by_language.setdefault(program.language, []).append(program)
    assert len(PROGRAMS) >= 34
    assert min(len(group) for group in by_language.values()) >= 17
    wanted = {"ok", "compile_error", "nonzero_exit", "signalled", "time_limit", "memory_limit",
              "output_limit"}
    assert wanted <= {program.expect["verdict"] for program in PROGRAMS}
