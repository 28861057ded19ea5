"""SANDBOX_ROOTFS: jobs see a prepared root, and only one that gives nobody anything to gain."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from modes import Mode
from service import Service

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a root must belong to root")
REFUSED = 2


def copy_with_libraries(program, root):
    """The program under its own path, with the libraries that it is linked with."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for name in [program, *re.findall(r"(/\S+) \(0x", listed)]:
        source = os.path.realpath(name)
        for path in {name, source}:
            target = root / os.path.realpath(os.path.dirname(path))[1:] / os.path.basename(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


@pytest.fixture(scope="module")
def root():
    """A root with Python alone, out of files of this machine."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="code-sandbox-rootfs-"))
    folder.chmod(0o755)
    for name in ("bin", "lib", "lib64"):
        if os.path.islink(f"/{name}"):
            (folder / f"usr/{name}").mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(f"usr/{name}")
    python = os.path.realpath("/usr/bin/python3")
    copy_with_libraries(python, folder)
    (folder / "usr/bin/python3").symlink_to(os.path.basename(python))
    library = f"usr/lib/{os.path.basename(python)}"
    shutil.copytree(f"/{library}", folder / library, symlinks=True,
                    ignore=shutil.ignore_patterns("__pycache__", "test", "dist-packages"))
    for extension in (folder / library / "lib-dynload").glob("*.so"):
        copy_with_libraries(f"/{extension.relative_to(folder)}", folder)
    (folder / "usr/only-here").write_text("yes")
    subprocess.run(["chmod", "-R", "go-w", folder / "usr"], check=True)
    yield folder
    shutil.rmtree(folder)


def refusal(root):
    """What sandboxd says when it does not start with this root."""
    service = Service(mode=Mode("as-is"), SANDBOX_ROOTFS=str(root))
    try:
        with pytest.raises(AssertionError, match=f"exited with {REFUSED}") as refused:
            service.start()
        return str(refused.value)
    finally:
        service.close()


def test_jobs_seeTheRootAndNotTheMachine(start_service, root):
    service = start_service(SANDBOX_ROOTFS=str(root))
    result = service.run("""
import json, os, ssl, sqlite3
print(open("/usr/only-here").read(), os.path.exists("/usr/bin/apt"), sorted(os.listdir("/usr/bin")),
      os.path.exists("/only-here"), sorted(os.listdir("/etc")))
try:
    open("/usr/only-here", "w")
except OSError as error:
    print(error.strerror)
""")
    assert result["verdict"] == "ok", result
    seen, refused = result["stdout"].splitlines()
    assert seen.startswith("yes False ['python3', 'python3.")
    assert "apt" not in seen
    assert refused == "Read-only file system"


def test_toolchains_areThoseOfTheRoot(start_service, root):
    service = start_service(SANDBOX_ROOTFS=str(root))
    languages = {entry["id"]: entry for entry in service.get("/v1/languages").json["languages"]}
    assert languages["python"]["available"]
    assert not languages["go"]["available"]
    assert "in the prepared root: " in languages["go"]["unavailable_reason"]
    assert str(root) not in languages["go"]["unavailable_reason"]
    assert f"root:      {root} (" in service.log()
    assert "fingerprint" in service.log()


def test_rootThatGivesRights_isRefused(root):
    tool = root / "usr/bin/tool"
    tool.write_text("#!/bin/sh\n")
    try:
        tool.chmod(0o4755)
        assert f"{tool} has the setuid or setgid bit" in refusal(root)
        tool.chmod(0o757)
        assert f"{tool} may be written by others" in refusal(root)
        tool.chmod(0o755)
        os.setxattr(tool, "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
        assert f"{tool} has file capabilities" in refusal(root)
        os.removexattr(tool, "security.capability")
        os.chown(tool, 65534, 65534)
        assert f"{tool} belongs to uid 65534" in refusal(root)
    finally:
        tool.unlink()


def test_rootThatTheServiceCouldExchange_isRefused(root):
    above = pathlib.Path(tempfile.mkdtemp(prefix="code-sandbox-above-"))
    try:
        (above / "root").mkdir()
        (above / "root/usr").mkdir()
        above.chmod(0o777)
        assert f"{above} may be written by others than its owner" in refusal(above / "root")
    finally:
        shutil.rmtree(above)


@pytest.mark.parametrize("value, said", [
    ("relative/root", "absolute path"),
    ("/", "no root made by ./dev rootfs"),
    ("/absent", "cannot be used"),
])
def test_wrongRoot_isNamed(value, said):
    what = refusal(value)
    assert "SANDBOX_ROOTFS" in what
    assert said in what
