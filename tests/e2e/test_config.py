"""A wrong variable stops sandboxd at start, with its name, its value and what is accepted."""

import subprocess

import pytest

from contract import REPOSITORY
from service import SANDBOXD, base_environment, free_port

CONFIG_ERROR = 2


def start_wrong(tmp_path, **variables):
    """Runs sandboxd, which must refuse; returns what it says."""
    environment = base_environment()
    environment["HTTP_PORT"] = str(free_port())
    environment["STATE_DIR"] = str(tmp_path / "state")
    environment.update(variables)
    done = subprocess.run([str(SANDBOXD)], env=environment, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=30)
    assert done.returncode == CONFIG_ERROR, (done.returncode, done.stderr)
    return done.stderr


DURATIONS = [
    "HTTP_READ_TIMEOUT", "HTTP_WRITE_TIMEOUT", "HTTP_SHUTDOWN_TIMEOUT", "SANDBOX_TIMEOUT",
    "SANDBOX_COMPILE_TIMEOUT", "SANDBOX_MAX_TIMEOUT", "JOB_TTL",
]


@pytest.mark.parametrize("name", DURATIONS)
@pytest.mark.parametrize("value", ["-1s", "5", "soon", "1e3s", "10 s", "99999999999999h"])
def test_wrongDuration_isNamed(tmp_path, name, value):
    said = start_wrong(tmp_path, **{name: value})
    assert name in said
    assert value in said
    assert "10s" in said or "500ms" in said, said


@pytest.mark.parametrize("name, value, accepted", [
    ("HTTP_PORT", "abc", "65535"),
    ("HTTP_PORT", "-1", "65535"),
    ("HTTP_PORT", "70000", "65535"),
    ("HTTP_PORT", "80 ", "65535"),
    ("HTTP_HOST", "not an address", "address"),
    ("HTTP_HOST", "999.1.1.1", "address"),
    ("REDIS_ADDR", "redis", "host:port"),
    ("REDIS_ADDR", "redis:99999", "host:port"),
    ("REDIS_ADDR", "unix:redis.sock", "unix:/path"),
    ("REDIS_ADDR", "a:6379,b", "host:port"),
    ("REDIS_KEY_PREFIX", "a{b", "letters"),
    ("REDIS_KEY_PREFIX", "", "letters"),
    ("REDIS_TLS", "yes", "on"),
    ("ROLE", "boss", "worker"),
    ("REDIS_DB", "-1", ""),
    ("REDIS_DB", "first", ""),
    ("SANDBOX_JOB_DIR", "relative/path", "absolute"),
    ("JOB_STORE", "postgres", "sqlite"),
    ("JOB_STORE", "SQLite", "sqlite"),
    ("SANDBOX_BACKEND", "vm", "native"),
    ("SANDBOX_SLOTS", "0", ""),
    ("SANDBOX_SLOTS", "-2", ""),
    ("SANDBOX_SLOTS", "many", ""),
    ("SANDBOX_QUEUE_SIZE", "0", ""),
    ("SANDBOX_QUEUE_SIZE", "1.5", ""),
    ("SANDBOX_MAX_ATTEMPTS", "0", ""),
    ("SANDBOX_PROCESSES", "0", ""),
    ("SANDBOX_PROCESSES", "-1", ""),
    ("SANDBOX_MEMORY", "lots", "MiB"),
    ("SANDBOX_MEMORY", "-1", "MiB"),
    ("SANDBOX_MEMORY", "0", "MiB"),
    ("SANDBOX_MEMORY", "99999999999999999999", "MiB"),
    ("SANDBOX_OUTPUT", "1XB", "MiB"),
])
def test_wrongValue_isNamedWithWhatIsAccepted(tmp_path, name, value, accepted):
    said = start_wrong(tmp_path, **{name: value})
    assert name in said
    assert value.strip() in said
    assert accepted in said


def test_allWrongValues_areNamedAtOnce(tmp_path):
    said = start_wrong(tmp_path, HTTP_PORT="x", SANDBOX_TIMEOUT="-3s", JOB_STORE="tape")
    for name in ("HTTP_PORT", "SANDBOX_TIMEOUT", "JOB_STORE"):
        assert name in said


@pytest.mark.parametrize("variables", [
    {"SANDBOX_BACKEND": "docker"}, {"SANDBOX_CONTAINER": "code-sandbox-runner"},
    {"SANDBOX_LANGUAGE_CONTAINERS": "go=a"},
])
def test_dockerThatIsNotInstalled_isNamed(tmp_path, variables):
    said = start_wrong(tmp_path, SANDBOX_DOCKER_BIN="no-such-docker",
                       SANDBOX_JOB_DIR=str(tmp_path / "jobs"), **variables)
    assert "SANDBOX_DOCKER_BIN" in said
    assert "no-such-docker" in said


def test_predecessorsVariablesBesideOtherChoices_areTaken(start_service):
    # The predecessor's variables do not disturb when another part is chosen explicitly.
    service = start_service(
        JOB_STORE="sqlite", SANDBOX_BACKEND="native", REDIS_ADDR="redis:6379", REDIS_PASSWORD="",
        REDIS_DB="3", SANDBOX_CONTAINER="code-sandbox-runner", SANDBOX_JOB_DIR="/tmp/jobs",
        SANDBOX_DOCKER_BIN="docker", SANDBOX_NETWORK="", SANDBOX_DOCKER_USER="1000:1000")
    health = service.get("/health").json
    assert (health["store"], health["backend"]) == ("sqlite", "native")


def test_timeoutVariables_boundJobs(start_service):
    service = start_service(SANDBOX_TIMEOUT="400ms", SANDBOX_MAX_TIMEOUT="2s")
    result = service.run("import time; time.sleep(20)")
    assert result["verdict"] == "time_limit"
    assert 350 <= result["usage"]["wall_time_ms"] < 1900
    assert service.run("import time; time.sleep(0.8)", timeout="2s")["verdict"] == "ok"
    response = service.post({"language": "python", "code": "1", "timeout": "2001ms"})
    assert response.status == 422
    assert "2s" in response.json["errors"][0]["message"]


def test_limitVariables_boundJobs(start_service):
    service = start_service(SANDBOX_OUTPUT="1KiB", SANDBOX_PROCESSES="8")
    result = service.run("print('x' * 5000)")
    assert result["verdict"] == "output_limit"
    assert result["stdout"] == "x" * 1024
    result = service.run(
        "import threading, time\n"
        "threads = 0\n"
        "try:\n"
        "    for _ in range(50):\n"
        "        threading.Thread(target=time.sleep, args=(0.5,), daemon=True).start()\n"
        "        threads += 1\n"
        "except RuntimeError:\n"
        "    print(threads < 8)\n")
    assert result["stdout"] == "True\n"


def test_unknownFlag_isRefused():
    done = subprocess.run([str(SANDBOXD), "--nonsense"], capture_output=True, text=True,
                          env=base_environment(), timeout=10)
    assert done.returncode == CONFIG_ERROR
    assert "--help" in done.stderr


def test_version_isTheProjects():
    done = subprocess.run([str(SANDBOXD), "--version"], capture_output=True, text=True, timeout=10)
    assert done.returncode == 0
    assert (REPOSITORY / "VERSION").read_text().strip() in done.stdout
