"""Checks that modules include one another only in the directions of docs/architecture.md."""

import pathlib
import re
import sys

SPEC = "sandbox/spec.h"

# What a module may include besides itself: whole modules, or single headers.
ALLOWED = {
    "base": set(),
    "linux": {"base"},
    "sandbox": {"base", "linux"},
    "sandbox/launcher": {"base", "linux", "sandbox"},
    "sandbox/warm": {"base", "linux", "sandbox", "sandbox/launcher"},
    "language": {"base", SPEC},
    "docker": {"base", "linux", "sandbox", "language"},
    "docker/supervisor": {"base", "linux", "sandbox", "docker"},
    "docker/broker": {"base", "linux", "docker"},
    "job": {"base", SPEC},
    "store": {"base", "job"},
    "executor": {"base", "language", "job", "sandbox"},
    "service": {"base", "language", "job"},
    "webhook": {"base", "job"},
    "http": {"base", "language", "job", "service"},
    "app": {"base", "linux", "sandbox", "docker", "language", "job", "store", "executor", "service", "webhook", "http"},
}
# Headers that only their own module includes, and whose subject is the library itself.
INTERNAL = {"http/handlers.h", "job/strict_json.h"}

# Unit tests may also use the memory store, which is the fake of every store user.
TESTS_MAY = {"store"}

# The launcher's side links nothing but the C++ library.
BARE = {"linux", "sandbox/launcher", "sandbox/warm", "docker/supervisor", "docker/broker"}
THIRD_PARTY = re.compile(r"boost/|spdlog/|prometheus/|toml\+\+/|sqlite3|openssl/|seccomp\.h")

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def module_of(path):
    """The longest known folder that holds `path` (relative to src), or None."""
    parts = pathlib.PurePosixPath(path).parts[:-1]
    for n in range(len(parts), 0, -1):
        name = "/".join(parts[:n])
        if name in ALLOWED:
            return name
    return None


def check(source, text):
    """Yields one message per include of `source` (relative to src) that is not allowed."""
    module = module_of(source)
    if module is None:
        if "/" in source:
            yield f"src/{source}:1: folder of no known module (tools/check_includes.py)"
        return
    allowed = ALLOWED[module] | (TESTS_MAY if source.endswith("_test.cc") else set())
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, name = match.groups()
        where = f"src/{source}:{number}:"
        if quote == "<":
            if source.endswith(".h") and name.startswith("boost/") and source not in INTERNAL:
                yield f"{where} <{name}>: Boost headers belong in .cc files"
            if module in BARE and THIRD_PARTY.match(name):
                yield f"{where} <{name}>: {module} includes no library"
            continue
        target = module_of(name)
        if target is None:
            yield f'{where} "{name}": no module; write <{name}> for a library'
        elif target != module and target not in allowed and name not in allowed:
            yield f'{where} "{name}": {module} may not include {target}'


def main():
    src = pathlib.Path(__file__).resolve().parent.parent / "src"
    problems = []
    for path in sorted(src.rglob("*")):
        if path.suffix in (".h", ".cc"):
            problems += check(path.relative_to(src).as_posix(), path.read_text(encoding="utf-8"))
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
