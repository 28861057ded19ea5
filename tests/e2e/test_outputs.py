"""Files that a program leaves: returned with the result and by their URL."""

import base64
import contextlib
import urllib.parse

import pytest

from interactive import Session
from redis_server import redis_server
from service import running


def run(service, code, language="python", **members):
    response = service.post({"language": language, "code": code, **members})
    assert response.status == 202, response.body
    job = service.wait(response.json["id"])
    assert job["status"] == "completed", job
    return job


def content(file):
    if file["content_encoding"] == "base64":
        return base64.b64decode(file["content"], validate=True)
    return file["content"].encode()


@pytest.fixture(scope="module", params=["memory", "sqlite", "redis"])
def any_store(request):
    with contextlib.ExitStack() as stack:
        environment = {"JOB_STORE": request.param}
        if request.param == "redis":
            environment["REDIS_ADDR"] = stack.enter_context(redis_server()).address
        yield stack.enter_context(running(**environment))


def test_files_comeInlineAndByUrl(any_store):
    job = run(any_store, """
import os
os.makedirs("out/deep")
open("out/a.txt", "w").write("text é")
open("out/deep/b.bin", "wb").write(bytes(range(256)))
open("out/large", "wb").write(b"x" * 1_000_000)
open("out/with space ü?.txt", "w").write("")
open("elsewhere", "w").write("")
""", outputs=["out/**", "missing"])
    files = {file["path"]: file for file in job["result"]["files"]}
    assert list(files) == sorted(["missing", "out/a.txt", "out/deep/b.bin", "out/large",
                                  "out/with space ü?.txt"])
    assert files["missing"]["error"] == "not found"
    assert content(files["out/a.txt"]) == "text é".encode()
    assert content(files["out/deep/b.bin"]) == bytes(range(256))
    assert "content" not in files["out/large"]
    assert files["out/large"]["size"] == 1_000_000
    for path, expected in (("out/a.txt", "text é".encode()), ("out/deep/b.bin", bytes(range(256))),
                           ("out/large", b"x" * 1_000_000), ("out/with space ü?.txt", b"")):
        for url in (files[path]["url"], f"/v1/execute/{job['id']}/files/" +
                    urllib.parse.quote(path, safe="")):
            response = any_store.get(url)
            assert (response.status, response.body) == (200, expected)


def test_whatWasNotReturned_isNotFound(any_store):
    job = run(any_store, "open('a', 'w').write('x'); open('b', 'w').write('y')", outputs=["a", "c"])
    base = f"/v1/execute/{job['id']}/files/"
    assert any_store.get(base + "a").status == 200
    for path in ("b", "c", "A", "a/", "../a", "%2e%2e/a", "a%00", "/etc/passwd", "%2Fetc%2Fpasswd"):
        assert any_store.get(base + path).status in (400, 404), path
    assert any_store.get("/v1/execute/" + "A" * 22 + "/files/a").status == 404


def test_compiledProgram_returnsFiles(any_store):
    job = run(any_store, """package main

import "os"

func main() { os.WriteFile("out.txt", []byte("from go"), 0600) }
""", "go", outputs=["*.txt"])
    assert [content(file) for file in job["result"]["files"]] == [b"from go"]


def test_nothingIsReachedThroughLinksOrSpecialFiles(service):
    """security.md, step 27: links, devices, pipes, sockets, sparse giants, closed folders."""
    job = run(service, """
import os, socket
open("secret", "w").write("mine")
os.symlink("/etc/passwd", "link.out")
os.symlink("/proc/self/environ", "environ.out")
os.symlink("/", "root")
os.symlink("secret", "own.out")
def if_allowed(make, *args):
    try:
        make(*args)
    except OSError:
        pass
if_allowed(os.mkfifo, "pipe.out")
if_allowed(os.mknod, "null.out", 0o20666, os.makedev(1, 3))
if_allowed(os.link, "secret", "hard.out")
if_allowed(lambda: socket.socket(socket.AF_UNIX).bind("socket.out"))
with open("sparse.out", "wb") as f:
    f.truncate(60 << 20)
os.mkdir("closed"); open("closed/kept.out", "w").write("kept"); os.chmod("closed", 0)
os.mkdir("d"); os.symlink("..", "d/up")
""", outputs=["*.out", "root/etc/passwd", "d/up/secret", "**/*.out"])
    files = {file["path"]: file for file in job["result"]["files"]}
    assert job["result"]["verdict"] == "ok", job
    readable = {path for path, file in files.items() if "error" not in file}
    assert readable <= {"closed/kept.out"}
    assert files["root/etc/passwd"]["error"]
    assert files["d/up/secret"]["error"]
    assert files["sparse.out"]["error"] == "too large"
    for name in ("link.out", "pipe.out", "socket.out", "null.out"):
        assert name not in files


def test_foldersThatAreSwappedToTheLast_leadNowhere(service):
    """A child outlives the program and goes on swapping; it is dead before anything is opened."""
    job = run(service, """
import os, time
os.mkdir("real"); open("real/passwd", "w").write("mine"); os.symlink("/etc", "linked")
os.rename("real", "swapped")
if os.fork() == 0:
    os.setsid()
    open("started", "w").close()
    while True:
        os.rename("swapped", "real"); os.rename("linked", "swapped")
        os.rename("swapped", "linked"); os.rename("real", "swapped")
while not os.path.exists("started"):
    time.sleep(0.001)
""", outputs=["swapped/passwd", "swapped/*", "**/hostname"])
    assert job["result"]["verdict"] == "ok", job
    for file in job["result"]["files"]:
        assert file["path"] == "swapped/passwd"
        assert file.get("content") == "mine" or file["error"] in ("not found",
                                                                  "reached through a link")


def test_names_areBounded(service):
    job = run(service, """
for i in range(100):
    open(f"f{i:03}", "w").write("x")
""", outputs=["f*"])
    assert len(job["result"]["files"]) == 32
    assert job["result"]["files_truncated"] is True
    job = run(service, r"""
open(b"bad\xff.txt", "w").write("x")
open("new\nline.txt", "w").write("x")
open("good.txt", "w").write("x")
""", outputs=["*.txt"])
    assert [file["path"] for file in job["result"]["files"]] == ["good.txt"]
    assert job["result"]["files_truncated"] is True


def test_bytes_areBounded(service):
    job = run(service, """
for name in "abc":
    open(name, "wb").write(bytes(3 << 20))
""", outputs=["a", "b", "c"])
    files = {file["path"]: file for file in job["result"]["files"]}
    assert [files[name].get("error") for name in "abc"] == [None, None, "too large"]


def test_manyFilesAndCostlyPatterns_holdUpNobody(service):
    code = """
try:
    for i in range(100_000):
        open("a" * 200 + str(i), "w").close()
except OSError:
    pass
"""
    job = run(service, code, outputs=["**a*a*a*a*a*a*a*a*a*a*a*a*b"] * 32, timeout="10s")
    assert "files" not in job["result"]
    assert job["result"]["files_truncated"] is True
    assert service.run("print(1)")["stdout"] == "1\n"


def test_programThatIsKilled_returnsNothing(service):
    job = run(service, "open('a', 'w').write('x')\nwhile True: pass", outputs=["a", "*"],
              timeout="500ms")
    assert job["result"]["verdict"] == "time_limit"
    assert job["result"]["files"] == [{"path": "a", "error": "not collected"}]
    assert "files_truncated" not in job["result"]


@pytest.mark.parametrize("outputs, field", [
    ("a", "outputs"), ([1], "outputs[0]"), (["/etc/passwd"], "outputs[0]"),
    (["a", "../*"], "outputs[1]"), ([""], "outputs[0]"), (["a\0"], "outputs[0]"),
    (["a"] * 33, "outputs")])
def test_wrongOutputs_areNamed(service, outputs, field):
    response = service.post({"language": "python", "code": "", "outputs": outputs})
    assert response.status == 422
    assert field in response.fields()


def test_outputsWithTests_areRefused(service):
    response = service.post({"language": "python", "code": "", "outputs": ["a"], "tests": [{}]})
    assert (response.status, response.fields()) == (422, ["outputs"])


def test_outputsOfAnInteractiveProgram_areReturned(service):
    with Session(service, "open('said', 'w').write(input())", outputs=["sai?"]) as session:
        session.stdin("this\n")
        result = session.result()["result"]
        assert [(file["path"], content(file)) for file in result["files"]] == [("said", b"this")]
        assert service.get(result["files"][0]["url"]).body == b"this"
