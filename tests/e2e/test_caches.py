"""What toolchains keep between jobs is out of the jobs' reach: no job poisons or holds up another's build."""

import os
import pathlib
import shutil

import pytest

from contract import REPOSITORY
from events import EventReader
from service import BUILD, RUNNING, Service

# `go build` itself has to do these: the short way around it refuses what embeds.
EMBEDS = """package main

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed main.go
var source string

func main() { fmt.Println("clean", strings.Contains(source, "go:embed")) }
"""
WRONG = """package main

func main() { undefined() }
"""

# Runs as a compile step and as a run step: changes the caches where they are, and puts its own in the
# places where a toolchain that finds none would look.
POISON = """
import glob, os, py_compile, shutil, stat, sys

changed = []


def attempt(name, action):
    try:
        action()
        changed.append(name)
    except OSError:
        pass


def rewrite(path):
    with open(path, "r+b") as f:
        f.write(b"evil")


entries = sorted(glob.glob("/cache/go/*/*") + glob.glob("/cache/go/*.cfg"))
assert len(entries) > 100, entries
for path in entries[::20] + glob.glob("/cache/go/*.cfg"):
    attempt(path, lambda: rewrite(path))
    attempt(path, lambda: os.chmod(path, 0o666))
    attempt(path, lambda: os.replace("/box/evil", path))
for folder in ("/cache", "/cache/go", "/cache/go/00"):
    attempt(folder, lambda: os.mkdir(folder + "/evil"))
    attempt(folder, lambda: os.chmod(folder, 0o777))
    attempt(folder, lambda: os.rename(folder, folder + ".old"))
library = os.path.dirname(os.__file__)
os.makedirs("/box/__pycache__", exist_ok=True)
open("/box/evil.py", "w").write("print('evil')")
py_compile.compile("/box/evil.py", "/box/__pycache__/json.pyc")
for name in ("json", "random"):
    target = f"{library}/__pycache__/{name}.{sys.implementation.cache_tag}.pyc"
    attempt(target, lambda: shutil.copy("/box/__pycache__/json.pyc", target))
attempt(library, lambda: shutil.copy("/box/evil.py", library + "/sitecustomize.py"))
for folder in ("/tmp/go-build", "/tmp/.cache/go-build", "/tmp/go/pkg/mod", "/tmp/main.a"):
    os.makedirs(folder, exist_ok=True)  # its own, and gone with it
for path in ("/tmp/sitecustomize.py", "/tmp/usercustomize.py", "/box/random.py"):
    open(path, "w").write("print('evil')")
print("changed:", changed)
"""

# Holds locks on as many files of the caches as it may have descriptors, until it is cancelled.
LOCK = """
import fcntl, glob, os, time
held = []
top = [path for path in glob.glob("/cache/*/*") if os.path.isfile(path)]  # what a tool locks is rather there
for path in top + glob.glob("/cache/*/*/*"):
    try:
        f = open(path, "rb")
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held.append(f)
    except OSError:
        pass
    if len(held) > 900:
        break
print("locked", len(held), flush=True)
time.sleep(50)
"""


@pytest.fixture(scope="module")
def service():
    """With a language whose compiler is the submitted program."""
    created = Service(SANDBOX_MAX_TIMEOUT="60s", SANDBOX_SLOTS="3")
    RUNNING.append(created)
    languages = created.folder / "languages"
    languages.mkdir()
    for folder in ("config/languages", "tests/hostile/languages"):
        for file in (REPOSITORY / folder).glob("*.toml"):
            shutil.copy(file, languages)
    try:
        yield created.start(SANDBOX_LANGUAGE_DIR=str(languages))
    finally:
        RUNNING.remove(created)
        created.close()


def cached():
    """Names, times and contents of the toolchains' caches."""
    root = pathlib.Path(os.environ.get("SANDBOX_CACHE_DIR", BUILD / "cache"))
    return {path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
            for path in root.rglob("*") if path.name != ".lock"}


def test_poisonedCaches_doNotReachTheNextBuild(service):
    before = cached()
    assert len(before) > 100
    as_compiler = service.run(POISON, "build")
    assert "changed: []" in as_compiler["compile"]["stdout"], as_compiler
    as_program = service.run(POISON)
    assert as_program["stdout"] == "changed: []\n", as_program
    built = service.run(EMBEDS, "go")
    assert (built["verdict"], built["stdout"]) == ("ok", "clean true\n"), built
    imported = service.run("import json, random\nprint(json.__file__, random.__file__)")
    assert "evil" not in imported["stdout"] and "/box" not in imported["stdout"], imported
    assert cached() == before


def test_lockedCache_holdsUpNoBuild(service):
    locker = service.submit(LOCK, timeout="55s")
    said = next(event for event in EventReader(service, locker) if event.kind == "stdout")
    assert int(said.data["data"].split()[1]) > 100, said
    with_lock = service.run(EMBEDS, "go")
    refused = service.run(WRONG, "go")
    assert service.job(locker)["status"] == "running", service.job(locker)
    assert service.request("DELETE", f"/v1/execute/{locker}").status == 200
    assert with_lock["stdout"] == "clean true\n", with_lock
    assert "undefined: undefined" in refused["compile"]["stderr"], refused
