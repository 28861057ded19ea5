"""Every program of tests/programs/ through the API."""

import pytest

import programs

PROGRAMS = programs.discover()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program(service, program):
    response = service.post(program.submission())
    assert response.status == 202
    program.check_job(service.wait(response.json["id"]))


def test_programs_areManyAndBalanced():
    by_language = {}
    for program in PROGRAMS:
        by_language.setdefault(program.language, []).append(program)
    assert len(PROGRAMS) >= 34
    assert min(len(group) for group in by_language.values()) >= 5
    assert min(len(by_language[name]) for name in ("go", "python")) >= 17
    wanted = {"ok", "compile_error", "nonzero_exit", "signalled", "time_limit", "memory_limit",
              "output_limit"}
    assert wanted <= {program.expect["verdict"] for program in PROGRAMS}
