"""Runs one clang-14 check over the sources: check_sources.py CHECK BUILD_DIR JOBS [FILE...].

headers   every header compiles alone
warnings  every source is clean under the build's own warnings
co_await  no temporary inside a co_await expression that g++ 12 destroys twice
tidy      clang-tidy with .clang-tidy, over everything but the unit tests

With files, only those are checked.
"""

import concurrent.futures
import json
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SRC = ROOT / "src"

# g++ 12 destroys some temporaries twice inside a co_await expression: a lambda that captures by
# value, and a braced aggregate. Naming them on the line above is the cure.
CO_AWAIT = (
    "m coawaitExpr(isExpansionInMainFile(), hasDescendant(cxxBindTemporaryExpr("
    "has(expr(anyOf(lambdaExpr(), initListExpr()))))))"
)
# g++ options that clang does not know, and those that only concern code generation.
NOT_FOR_CLANG = {"-fstack-clash-protection", "-fno-sanitize=all"}


def run(command, stdin=None):
    done = subprocess.run(
        command, cwd=ROOT, input=stdin, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.returncode, done.stdout


def clang_command(entry):
    """The compile command of a source, for clang++-14 and without producing an object."""
    words = shlex.split(entry["command"])
    while not words[0].endswith(("++", "++-12")):
        words.pop(0)  # ccache
    out, skip = ["clang++-14"], False
    for word in words[1:]:
        if skip:
            skip = False
        elif word in ("-o", "-c"):
            skip = word == "-o"
        elif word not in NOT_FOR_CLANG:
            out.append(word)
    return [*out, "-fsyntax-only"]


def check_header(header):
    command = ["clang++-14", "-std=c++20", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
    command += ["-fsyntax-only", "-x", "c++", f"-I{SRC}", "-"]
    status, output = run(command, f'#include "{header.relative_to(SRC)}"\n')
    return status == 0, output


def check_warnings(entry):
    status, output = run(clang_command(entry))
    return status == 0, output


def check_co_await(entry, build):
    command = ["clang-query-14", "-p", build, "-c", CO_AWAIT, entry["file"]]
    status, output = run(command)
    # clang-query ends with 0 even when the file did not parse.
    clean = status == 0 and "\n0 matches." in f"\n{output}" and ": error:" not in output
    return clean, output


def check_tidy(entry, build):
    with open(entry["file"], encoding="utf-8") as source:
        coroutines = "co_await" in source.read()
    checks = ["--checks=-clang-analyzer-core.*"] if coroutines else []
    status, output = run(["clang-tidy-14", "--quiet", *checks, "-p", build, entry["file"]])
    return status == 0, output


def main():
    check, build, jobs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    entries = json.loads((pathlib.Path(build) / "compile_commands.json").read_text())
    entries = [e for e in entries if pathlib.Path(e["file"]).parent != SRC]
    # Big files first, so that none of them is left over at the end.
    entries.sort(key=lambda e: -pathlib.Path(e["file"]).stat().st_size)
    if check == "headers":
        work = {h: (check_header, h) for h in sorted(SRC.rglob("*.h"))}
    elif check == "warnings":
        work = {e["file"]: (check_warnings, e) for e in entries}
    elif check == "co_await":
        work = {
            e["file"]: (check_co_await, e, build)
            for e in entries
            if "co_await" in pathlib.Path(e["file"]).read_text(encoding="utf-8")
        }
    elif check == "tidy":
        work = {
            e["file"]: (check_tidy, e, build)
            for e in entries
            if not e["file"].endswith("_test.cc")
        }
    else:
        sys.exit(__doc__)
    if only := {str(pathlib.Path(name).resolve()) for name in sys.argv[4:]}:
        work = {name: call for name, call in work.items() if str(name) in only}
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(*call): name for name, call in work.items()}
        for future in concurrent.futures.as_completed(futures):
            clean, output = future.result()
            if not clean:
                bad += 1
                print(f"{pathlib.Path(futures[future]).relative_to(ROOT)}:\n{output}", flush=True)
    print(f"{check}: {len(work)} files, {bad} with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
