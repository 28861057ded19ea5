"""The Go programs with every Go of this machine: the one in use elsewhere in the tests and the others."""

import pathlib
import re
import shutil
import subprocess

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
