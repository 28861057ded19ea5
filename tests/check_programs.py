#!/usr/bin/python3
"""Checks the expectations of tests/programs/ without the service.

Runs every program bare, with this machine's tools and with each Go toolchain given on the command line, and
compares exit code and output. `--write` stores the output as expected.txt where no output is given.

  tests/check_programs.py [--write] [path-to-go ...]
"""

import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "e2e"))
import programs  # noqa: E402

INTERPRETERS = {"python": "/usr/bin/python3", "javascript": "node"}
LIBRARIES = {"c": ["-lm"]}
COMPILERS = {"c": ["gcc", "-std=gnu17", "-O2"], "cpp": ["g++", "-std=gnu++20", "-O2"]}


def run(program, go, folder):
    """Returns (exit code, stdout, stderr, compile error or None); exit code is -n for signal n."""
    if program.language in INTERPRETERS:
        argv = [INTERPRETERS[program.language], str(program.source)]
        if not program.expect.get("bare_runs", True):
            argv = [INTERPRETERS["python"], "-c", "pass"]
    else:
        binary = f"{folder}.program"
        compile_ = [go, "build"] if program.language == "go" else COMPILERS[program.language]
        libraries = LIBRARIES.get(program.language, [])
        built = subprocess.run([*compile_, "-o", binary, str(program.source), *libraries],
                               capture_output=True, text=True, cwd=folder,
                               env={"PATH": "/usr/bin:/bin", "HOME": str(pathlib.Path.home()),
                                    "GO111MODULE": "off", "CGO_ENABLED": "0",
                                    "GOTOOLCHAIN": "local", "GOFLAGS": ""})
        if built.returncode != 0:
            return None, b"", b"", built.stderr
        if not program.expect.get("bare_runs", True):
            return None, None, None, None
        argv = [binary]
    done = subprocess.run(argv, input=program.stdin.encode(), capture_output=True, cwd=folder,
                          timeout=30)
    return done.returncode, done.stdout, done.stderr, None


def check(program, go, write):
    expect = program.expect
    with tempfile.TemporaryDirectory() as parent:
        folder = f"{parent}/box"
        pathlib.Path(folder).mkdir()
        code, stdout, stderr, compile_error = run(program, go, folder)
    if expect["verdict"] == "compile_error":
        assert compile_error is not None, "it compiles"
        for part in expect["compile_stderr_contains"]:
            assert part in compile_error, compile_error
        return
    assert compile_error is None, compile_error
    if not expect.get("bare_runs", True):
        return
    if program.expected_stdout() is None and "stdout_contains" not in expect and write:
        (program.folder / "expected.txt").write_bytes(stdout)
    wanted = -expect["signal"] if "signal" in expect else expect["exit_code"]
    assert code == wanted, f"exit code {code}: {stderr.decode(errors='replace')}"
    try:
        program.check_output(stdout, stderr)
    except AssertionError:
        raise AssertionError(f"wrong output: {stdout[:2000]!r} {stderr[:2000]!r}") from None


def main(arguments):
    write = "--write" in arguments
    toolchains = [a for a in arguments if a != "--write"] or ["go"]
    failures = 0
    found = programs.discover()
    for program in found:
        for go in toolchains if program.language == "go" else [None]:
            try:
                check(program, go, write)
            except AssertionError as error:
                failures += 1
                print(f"FAIL {program.name} {go or ''}\n  {error}")
    print(f"{len(found)} programs, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
