"""The documentation says what the program says, and its links lead somewhere."""

import json
import re
import subprocess

import pytest
import yaml

from contract import REPOSITORY
from service import SANDBOXD, base_environment

DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "bench/**/*.md", "deploy/**/*.md",
                                  "tests/**/*.md")
    for path in REPOSITORY.glob(pattern))
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")


def output(*flags):
    done = subprocess.run([str(SANDBOXD), *flags], capture_output=True, text=True, timeout=10,
                          env=base_environment())
    assert done.returncode == 0, done.stderr
    return done.stdout


def without_code(text):
    return re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text):
    """The anchors of a document's headings, as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#+\s+(.*)$", without_code(text), re.MULTILINE):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


def test_configuration_isTheGeneratedTable():
    table = output("--print-config-docs").strip()
    assert table.startswith("|")
    assert table in (REPOSITORY / "docs" / "configuration.md").read_text()


def test_configuration_andHelpNameTheSameVariables():
    document = (REPOSITORY / "docs" / "configuration.md").read_text()
    documented = set(re.findall(r"^\|\s*`?([A-Z][A-Z0-9_]+)`?\s*\|", document, re.MULTILINE))
    helped = set(re.findall(r"^\s+([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)\b", output("--help"),
                            re.MULTILINE))
    assert documented
    assert documented == helped


def test_configuration_hasThePredecessorsVariablesAndDefaults():
    table = output("--print-config-docs")
    rows = {}
    for line in table.splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if len(cells) >= 2:
            rows[cells[0]] = cells[1]
    defaults = {
        "HTTP_HOST": "0.0.0.0", "HTTP_PORT": "8080", "HTTP_READ_TIMEOUT": "5s",
        "HTTP_WRITE_TIMEOUT": "10s", "HTTP_SHUTDOWN_TIMEOUT": "15s", "REDIS_ADDR": "redis:6379",
        "REDIS_DB": "0", "SANDBOX_CONTAINER": "code-sandbox-runner",
        "SANDBOX_JOB_DIR": "/tmp/jobs", "SANDBOX_TIMEOUT": "3s", "SANDBOX_DOCKER_BIN": "docker",
    }
    assert {name: rows.get(name) for name in defaults} == defaults
    assert {"REDIS_PASSWORD", "SANDBOX_NETWORK", "SANDBOX_DOCKER_USER"} <= rows.keys()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_internalLinks_resolve(path):
    for target in LINK.findall(without_code(path.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (path.parent / name).resolve() if name else path
        assert linked.exists(), f"{target} leads nowhere"
        if anchor and linked.suffix == ".md":
            assert anchor in anchors(linked.read_text()), f"{target}: no such heading"


def test_api_namesEveryVerdictAndErrorStatus():
    contract = yaml.safe_load((REPOSITORY / "api" / "openapi.yaml").read_text())
    text = (REPOSITORY / "docs" / "api.md").read_text()
    for verdict in contract["components"]["schemas"]["Verdict"]["enum"]:
        assert f"| `{verdict}` |" in text
    for path in contract["paths"].values():
        for operation in path.values():
            for status in operation["responses"]:
                if status.startswith(("4", "5")):
                    assert f"| {status} |" in text


def shell_blocks(path):
    return re.findall(r"```sh\n(.*?)```", path.read_text(), re.DOTALL)


def results(service, blocks):
    """What the requests in these blocks come to."""
    found = []
    for block in blocks:
        done = subprocess.run(
            ["bash", "-euc", block.replace("127.0.0.1:8080", f"127.0.0.1:{service.port}")],
            capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout)["result"])
    return found


def test_api_judgingWorksAsItIsTyped(service):
    blocks = [block for block in shell_blocks(REPOSITORY / "docs" / "api.md") if '"tests"' in block]
    assert len(blocks) == 3
    assert [result["verdict"] for result in results(service, blocks)] == ["ok"] * 3


def test_readme_requestsWorkAsTheyAreTyped(service):
    blocks = [block for block in shell_blocks(REPOSITORY / "README.md") if "curl" in block]
    assert len(blocks) == 2
    answers = results(service, blocks)
    assert [(answer["verdict"], answer["stdout"] or answer["stderr"]) for answer in answers] == [
        ("ok", "6\n"), ("ok", "hello\n")]
