"""The Go programs with every Go of this machine: the one in use elsewhere in the tests and the others."""

import pathlib
import re
import shutil
import subprocess
import tomllib

import pytest

import programs
from contract import REPOSITORY
from service import BUILD, running, stream

GO_PROGRAMS = [program for program in programs.discover() if program.language == "go"]
TOOLS = [path for path in ("/usr/local/go/bin/go", "/usr/lib/go/bin/go")
         if pathlib.Path(path).exists()]


@pytest.fixture(scope="module")
def languages_with(tmp_path_factory):
    """Folders of language files in which Go is the given one and no other."""

    def make(tool):
        folder = tmp_path_factory.mktemp("languages")
        folder.chmod(0o755)
        for file in (REPOSITORY / "config" / "languages").glob("*.toml"):
            shutil.copy(file, folder)
        text = (folder / "go.toml").read_text()
        changed = re.sub(r"^tools = .*$", f'tools = ["{tool}"]', text, flags=re.MULTILINE)
        assert changed != text
        (folder / "go.toml").write_text(changed)
        return folder

    return make


@pytest.fixture(scope="module", params=TOOLS)
def tool(request):
    return request.param


@pytest.fixture(scope="module")
def environment(languages_with, tool):
    """A cache folder holds one toolchain of a language: another one would clear the tests' own."""
    cache = BUILD / f"cache-{tool.strip('/').replace('/', '-')}"
    return {"SANDBOX_LANGUAGE_DIR": str(languages_with(tool)), "SANDBOX_CACHE_DIR": str(cache)}


@pytest.fixture(scope="module")
def service(environment):
    with running(**environment) as created:
        yield created


@pytest.fixture(scope="module")
def go_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("go-cache")


def test_debianGo_isAmongThem():
    assert "/usr/lib/go/bin/go" in TOOLS, "apt-get install golang-go"


def test_goPrograms_endTheSameWithEveryGo(service, tool):
    go = {entry["id"]: entry for entry in service.get("/v1/languages").json["languages"]}["go"]
    version = subprocess.run([tool, "version"], capture_output=True, text=True, timeout=30,
                             env={"PATH": "/usr/bin:/bin", "HOME": "/"}).stdout
    assert f"go{go['version']} " in version
    ids = {}
    for program in GO_PROGRAMS:
        response = service.post(program.submission())
        assert response.status == 202
        ids[program.name] = response.json["id"]
    for program in GO_PROGRAMS:
        result = service.wait(ids[program.name])["result"]
        context = (program.name, result)
        assert result["verdict"] == program.expect["verdict"], context
        assert result.get("exit_code") == program.expect.get("exit_code"), context
        program.check_output(stream(result, "stdout"), stream(result, "stderr"))


def test_goPrograms_needNoBuildDriver(start_service, languages_with, environment, tool):
    folder = languages_with(tool)
    text = (folder / "go.toml").read_text()
    without = re.sub(r'^exec "\$tool" build .*$', "exit 9", text, flags=re.MULTILINE)
    assert without != text
    (folder / "go.toml").write_text(without)
    service = start_service(**{**environment, "SANDBOX_LANGUAGE_DIR": str(folder)})
    for program in GO_PROGRAMS:
        result = service.run(program.submission()["code"], "go", timeout="1ms")
        expected = 9 if program.expect["verdict"] == "compile_error" else 0
        assert result["compile"]["exit_code"] == expected, (program.name, result)


# What the direct way cannot do is answered as `go build` answers.
@pytest.mark.parametrize("name, code", [
    ("unused import", 'package main\n\nimport "os"\n\nfunc main() {}\n'),
    ("internal package", 'package main\n\nimport _ "internal/abi"\n\nfunc main() {}\n'),
    ("no such package", 'package main\n\nimport _ "example.com/none"\n\nfunc main() {}\n'),
    ("embedding", 'package main\n\nimport _ "embed"\n\n//go:embed none.txt\nvar s string\n\n'
                  'func main() { println(s) }\n'),
    ("cgo", 'package main\n\nimport "C"\n\nfunc main() {}\n'),
    ("no main", 'package main\n\nfunc Main() {}\n'),
    ("syntax", "package main\n\nfunc main() { x := }\n"),
    ("types", 'package main\n\nfunc main() { var s string = 1; println(s) }\n'),
    ("body elsewhere", "package main\n\nfunc f()\n\nfunc main() { f() }\n"),
])
def test_goErrors_areThoseOfGoBuild(service, tool, go_cache, tmp_path, name, code):
    (tmp_path / "main.go").write_text(code)
    variables = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "GOCACHE": str(go_cache),
                 "GOENV": "off", "GOTOOLCHAIN": "local", "GOPROXY": "off", "GOSUMDB": "off",
                 "CGO_ENABLED": "0", "LANG": "C.UTF-8"}
    bare = subprocess.run([tool, "build", "-o", "main", "main.go"], cwd=tmp_path, env=variables,
                          capture_output=True, text=True, timeout=300)
    assert bare.returncode != 0
    result = service.run(code, "go")
    assert result["verdict"] == "compile_error"
    assert result["compile"]["exit_code"] == bare.returncode
    assert result["compile"]["stderr"] == bare.stderr
    assert result["compile"]["stdout"] == bare.stdout


def test_goBuildInformation_isThatOfGoBuild(service, tool):
    result = service.run("""package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

func main() {
	info, ok := debug.ReadBuildInfo()
	fmt.Println(ok, info.Path, runtime.Version())
	for _, s := range info.Settings {
		fmt.Println(s.Key, s.Value)
	}
	_, file, line, _ := runtime.Caller(0)
	fmt.Println(file, line)
}
""", "go")
    assert result["verdict"] == "ok", result
    assert result["stdout"].startswith("true command-line-arguments go1."), result
    assert "\nCGO_ENABLED 0\n" in result["stdout"]
    assert result["stdout"].endswith("/main.go 15\n")


def test_theLinkerOfJobs_isTheOneOfTheWarmUp(service, environment):
    assert service.get("/v1/languages").status == 200
    (folder,) = pathlib.Path(environment["SANDBOX_CACHE_DIR"]).glob("go-*[0-9a-f]")
    assert (folder / "direct.env").read_text().splitlines()[2] == "/cache/go/link"
    assert (folder / "link").stat().st_mode & 0o777 == 0o755


# A Go that does nothing, whose linker writes what it is told to.
FAKE_GO = """#!/bin/sh
case "$*" in
  "env GOROOT") echo HERE ;;
  "env GOTOOLDIR") echo HERE/tool ;;
  *overlay*) OVERLAY ;;
  "build -x"*) echo "modinfo none" ;;
  list*) echo "packagefile fmt=HERE/fmt.a" ;;
esac
"""
FAKE_LINK = '#!/bin/sh\necho TEXT > "$2"\n'


RUNTIME = "package runtime\n\nfunc sysMapOS(v unsafe.Pointer, n uintptr) {\n}\n"


@pytest.mark.parametrize("source, overlay, text, own", [
    (RUNTIME, "cp HERE/own link", "the program", True),
    (RUNTIME, "cp HERE/own link", "another program", False),
    (RUNTIME, "echo no sources >&2; exit 1", "", False),
    ("package runtime\n", "cp HERE/own link", "the program", False),
])
def test_aLinkerThatDiffersOrCannotBeBuilt_isNotUsed(tmp_path, source, overlay, text, own):
    def script(path, content):
        path.parent.mkdir(exist_ok=True)
        path.write_text(content.replace("HERE", str(tmp_path)))
        path.chmod(0o755)

    cache = tmp_path / "cache"
    cache.mkdir()
    script(tmp_path / "go", FAKE_GO.replace("OVERLAY", overlay))
    script(tmp_path / "tool" / "compile", "#!/bin/sh\n")
    script(tmp_path / "tool" / "link", FAKE_LINK.replace("TEXT", "the program"))
    script(tmp_path / "own", FAKE_LINK.replace("TEXT", text))
    (tmp_path / "src" / "runtime").mkdir(parents=True)
    (tmp_path / "src" / "runtime" / "mem_linux.go").write_text(source)
    (cache / "00").mkdir()  # of Go's own cache
    file = REPOSITORY / "config" / "languages" / "go.toml"
    argv = tomllib.loads(file.read_text())["warm_up"]["argv"]
    values = {"{tool}": str(tmp_path / "go"), "{cache}": str(cache)}
    result = subprocess.run([values.get(arg, arg) for arg in argv], cwd=cache, text=True,
                            capture_output=True, timeout=30, check=True,
                            env={"PATH": "/usr/bin:/bin"})
    stock = tmp_path / "tool" / "link"
    linker = "/cache/go/link" if own else str(stock)
    assert (cache / "direct.env").read_text() == f"{tmp_path}\n{stock.parent}\n{linker}\n"
    said = "" if own else "programs are linked by Go's own linker"
    assert result.stdout.startswith(said) and bool(result.stdout) != own
    assert {path.name for path in cache.iterdir()} == {
        "00", "direct.env", "compile.cfg", "link.cfg"} | ({"link"} if own else set())
