"""The Go programs with every Go of this machine: the one in use elsewhere in the tests and the others."""

import pathlib
import re
import shutil
import subprocess

import pytest

import programs
from contract import REPOSITORY
from service import stream

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


def test_debianGo_isAmongThem():
    assert "/usr/lib/go/bin/go" in TOOLS, "apt-get install golang-go"


@pytest.mark.parametrize("tool", TOOLS)
def test_goPrograms_endTheSameWithEveryGo(start_service, languages_with, tool):
    service = start_service(SANDBOX_LANGUAGE_DIR=str(languages_with(tool)))
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
