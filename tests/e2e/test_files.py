"""Files in, arguments, environment and compiler arguments, as programs see them."""

import base64
import gzip
import io
import json
import tarfile
import zipfile

import pytest

from service import running


def file(path, content):
    if isinstance(content, bytes):
        return {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"}
    return {"path": path, "content": content}


def run(service, language="python", **members):
    """Runs a submission to its end; returns its result."""
    response = service.post({"language": language, **members})
    assert response.status == 202, response.body
    job = service.wait(response.json["id"])
    assert job["status"] == "completed", job
    return job["result"]


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def any_store(request):
    with running(JOB_STORE=request.param) as created:
        yield created


def test_files_lieInFoldersWithTheirBytes(any_store):
    every_byte = bytes(range(256)) * 40
    result = run(any_store, entrypoint="app/main.py", files=[
        file("app/main.py", """
import hashlib, json, os
found = {}
for folder, _, names in os.walk("."):
    for name in names:
        path = os.path.relpath(os.path.join(folder, name))
        found[path] = hashlib.sha256(open(path, "rb").read()).hexdigest()
print(json.dumps(found))
"""),
        file("data/raw.bin", every_byte), file("a..b/ü.txt", "é"), file("empty", "")])
    assert result["verdict"] == "ok", result
    found = json.loads(result["stdout"])
    assert sorted(found) == ["a..b/ü.txt", "app/main.py", "data/raw.bin", "empty"]
    import hashlib
    assert found["data/raw.bin"] == hashlib.sha256(every_byte).hexdigest()
    assert found["a..b/ü.txt"] == hashlib.sha256("é".encode()).hexdigest()


def test_python_importsSiblingsAndPackages(service):
    result = run(service, code="import util, pkg.inner.deep as d\nprint(util.x + d.y)", files=[
        file("util.py", "x = 'a'"), file("pkg/__init__.py", ""), file("pkg/inner/__init__.py", ""),
        file("pkg/inner/deep.py", "y = 'b'")])
    assert (result["verdict"], result["stdout"]) == ("ok", "ab\n"), result


def test_python_withAnEntrypointInAFolder_importsFromThere(service):
    result = run(service, entrypoint="src/app.py", files=[
        file("src/app.py", "import util, os; print(util.x, os.getcwd())"),
        file("src/util.py", "x = 1"), file("util.py", "x = 2")])
    assert result["stdout"] == "1 /box\n", result


def test_work_isWritable(service):
    result = run(service, code="""
import os
open("in.txt", "a").write("more"); open("dir/new", "w").write("x"); os.remove("dir/old")
print(open("in.txt").read(), sorted(os.listdir("dir")))
""", files=[file("in.txt", "some"), file("dir/old", "")])
    assert result["stdout"] == "somemore ['new']\n", result


GO_MAIN = """package main

import "fmt"

func main() { fmt.Println(answer()) }
"""


def test_go_compilesTheFilesOfItsFolder(service):
    result = run(service, "go", files=[
        file("main.go", GO_MAIN), file("answer.go", "package main\nfunc answer() int { return 42 }\n"),
        file("answer_test.go", "package main\nfunc broken( {\n"),
        file("other.go", "//go:build ignore\n\npackage main\nfunc answer() int { return 1 }\n")])
    assert (result["verdict"], result["stdout"]) == ("ok", "42\n"), result


def test_go_withoutAModuleFile_isOneCalledProgram(service):
    result = run(service, "go", entrypoint="cmd/main.go", files=[
        file("cmd/main.go", 'package main\nimport "program/lib"\n'
             "func main() { println(lib.Max(1, 2)) }\n"),
        file("lib/lib.go", "package lib\nfunc Max[T int | string](a, b T) T "
             "{ if a > b { return a }; return b }\n")])
    assert (result["verdict"], result["stderr"]) == ("ok", "2\n"), result


def test_go_compilesPackagesOfAModule(service):
    result = run(service, "go", entrypoint="cmd/app/main.go", files=[
        file("go.mod", "module example.com/app\n\ngo 1.18\n"),
        file("cmd/app/main.go", 'package main\nimport ("fmt"; "example.com/app/lib")\n'
             'func main() { fmt.Println(lib.Double(21), extra) }\n'),
        file("cmd/app/extra.go", "package main\nconst extra = \"x\"\n"),
        file("lib/lib.go", "package lib\n\nfunc Double(n int) int { return 2 * n }\n")])
    assert (result["verdict"], result["stdout"]) == ("ok", "42 x\n"), result


def test_go_embedsFilesAndFindsThemAtRunTime(service):
    result = run(service, "go", code="""package main

import (
	_ "embed"
	"fmt"
	"os"
)

//go:embed data/a.txt
var embedded string

func main() {
	read, err := os.ReadFile("data/a.txt")
	_, source := os.Stat("main.go")
	fmt.Print(embedded, string(read), err, os.IsNotExist(source), os.Args[1:])
}
""", files=[file("data/a.txt", "hello\n")], args=["x", "y z"])
    assert (result["verdict"], result["stdout"]) == ("ok", "hello\nhello\n<nil> true [x y z]"), result


def test_go_tellsErrorsWithTheNamesOfFiles(service):
    result = run(service, "go", entrypoint="cmd/main.go", files=[
        file("go.mod", "module m\n"), file("cmd/main.go", "package main\nfunc main() { undefined() }\n")])
    assert result["verdict"] == "compile_error"
    assert "main.go:2" in result["compile"]["stderr"], result


def test_go_cacheCoversAllFilesAndArguments(service):
    def submit(answer, *compiler_args):
        return run(service, "go", files=[
            file("main.go", GO_MAIN),
            file("answer.go", f"package main\nfunc answer() int {{ return {answer} }}\n"),
            file("tagged.go", "//go:build extra\n\npackage main\nfunc init() { println(\"extra\") }\n")],
            compiler_args=list(compiler_args))

    first = submit(1001)
    assert (first["stdout"], first["compile"]["cached"]) == ("1001\n", False)
    again = submit(1001)
    assert (again["stdout"], again["compile"]["cached"]) == ("1001\n", True)
    assert submit(1002)["stdout"] == "1002\n"
    tagged = submit(1001, "-tags=extra")
    assert (tagged["stderr"], tagged["compile"]["cached"]) == ("extra\n", False)


def test_args_arriveAsTheyAre(service):
    args = ["", "a b", "-c", "--", "é", "*", "$HOME", "'\"\\", "\n"]
    result = run(service, code="import sys, json; print(json.dumps(sys.argv[1:]))", args=args)
    assert json.loads(result["stdout"]) == args


def test_args_atTheirBound(service):
    args = ["x" * 60 for _ in range(1000)]
    result = run(service, code="import sys; print(len(sys.argv))", args=args)
    assert result["stdout"] == "1001\n"


def test_env_isAddedToTheLanguages(service):
    result = run(service, code="import os; print(os.environ['A'], os.environ['LANG'], "
                               "os.environ['TZ'], 'PATH' in os.environ, os.environ['EMPTY'] == '')",
                 env={"A": "1=2 é", "LANG": "C", "TZ": "UTC", "EMPTY": ""})
    assert result["stdout"] == "1=2 é C UTC True True\n", result


# security.md E42: what would make a loader, a shell or an interpreter run other code.
@pytest.mark.parametrize("name", [
    "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "PYTHONSTARTUP", "PYTHONHOME", "PYTHONPATH",
    "GOFLAGS", "NODE_OPTIONS", "BASH_ENV", "IFS", "PATH", "ENV", "GLIBC_TUNABLES", "A=B", "", "1A",
    "A B", "A\x00"])
def test_env_ofADangerousName_isRefused(service, name):
    response = service.post({"language": "python", "code": "", "env": {name: "x", "FINE": "y"}})
    assert response.status == 422
    assert len(response.fields()) == 1
    assert response.fields()[0].startswith("env.")


def test_env_doesNotReachTheCompiler(service):
    result = run(service, "go", code="""package main

import "os"

func main() { println(os.Getenv("GOOS"), os.Getenv("CGO_ENABLED")) }
""", env={"GOOS": "windows", "CGO_ENABLED": "1"})
    assert (result["verdict"], result["stderr"]) == ("ok", "windows 1\n"), result


def test_compilerArgs_reachTheInterpreter(service):
    code = "assert False\nprint('not asserted')"
    assert run(service, code=code, compiler_args=["-O"])["stdout"] == "not asserted\n"
    assert run(service, code=code)["verdict"] == "nonzero_exit"


# security.md A38: options that name programs, files or the result.
@pytest.mark.parametrize("language, arg", [
    ("python", "-c"), ("python", "-m"), ("python", "-"), ("python", "/etc/passwd"), ("python", ""),
    ("python", "-Wx"), ("go", "-toolexec=/bin/sh"), ("go", "-o"), ("go", "-o=/etc/x"),
    ("go", "@/etc/x"), ("go", "-overlay=x"), ("go", "-gcflags=-N"), ("go", "-ldflags=-extld=x"),
    ("go", "-tags=a b"), ("go", "-trimpath\n"), ("go", "-C=/"), ("go", "-tags=" + "x" * 100_000), ("c", "-wrapper"),
    ("c", "-B/box"), ("c", "@/etc/x"), ("c", "-o"), ("c", "-o/etc/x"), ("c", "-fplugin=./x.so"), ("c", "-Wl,x"),
    ("c", "-Wa,x"), ("c", "-Wp,x"), ("c", "-I/etc"), ("c", "-include"), ("c", "-x"), ("cpp", "-specs=x"),
    ("cpp", "-DX=$(id)"), ("cpp", "main.cpp"), ("cpp", "-fmodules-ts"), ("javascript", "-e"),
    ("javascript", "--require=./x"), ("javascript", "--inspect=0.0.0.0:80"), ("javascript", "--"),
    ("javascript", "--max-old-space-size=999999")])
def test_compilerArgs_beyondTheAllowList_areRefused(service, language, arg):
    response = service.post({"language": language, "code": "", "compiler_args": [arg]})
    assert response.status == 422
    assert response.fields() in (["compiler_args[0]"], ["compiler_args"])


@pytest.mark.parametrize("path", [
    "/etc/passwd", "../x", "a/../../x", "a/..", ".", "..", "", "a//b", "a/", "./a", "a\x00b", "a\nb",
    "-c", "a" * 241, "/".join("a" * 17)])
def test_path_thatLeadsElsewhere_isRefused(service, path):
    response = service.post({"language": "python", "code": "", "files": [file(path, "")]})
    assert (response.status, response.fields()) == (422, ["files[0].path"])
    response = service.post({"language": "python", "code": "", "entrypoint": path})
    assert (response.status, response.fields()) == (422, ["entrypoint"])


@pytest.mark.parametrize("members, field", [
    ({"files": [file("a", ""), file("a", "")]}, "files[1].path"),
    ({"files": [file("a", ""), file("a/b", "")]}, "files[1].path"),
    ({"files": [file("a/b", ""), file("a", "")]}, "files[1].path"),
    ({"files": [file("main.py", "")]}, "files[0].path"),
    ({"files": [{"path": "a", "content": "*", "encoding": "base64"}]}, "files[0].content"),
    ({"files": [file("a", "x" * (17 << 20))]}, "files"),
    ({"entrypoint": "main.txt"}, "entrypoint"),
    ({"args": ["a\x00"]}, "args[0]"),
    ({"limits": {"memory_bytes": 1}}, "limits.memory_bytes"),
    ({"limits": {"memory_bytes": 1 << 50}}, "limits.memory_bytes"),
    ({"limits": {"processes": 1 << 40}}, "limits.processes"),
    ({"limits": {"cpu_time": "24h"}}, "limits.cpu_time"),
    ({"limits": {"output_bytes": 1 << 40}}, "limits.output_bytes"),
    ({"limits": {"file_bytes": 1 << 50}}, "limits.file_bytes"),
    ({"limits": {"open_files": 1 << 40}}, "limits.open_files"),
    ({"limits": {"speed": 1}}, "limits.speed"),
])
def test_wrongField_isNamed(service, members, field):
    response = service.post({"language": "python", "code": "", **members})
    assert (response.status, response.fields()) == (422, [field])


def test_entrypoint_isRequiredAmongSeveral(service):
    response = service.post({"language": "python", "files": [file("a.py", ""), file("b.py", "")]})
    assert (response.status, response.fields()) == (422, ["entrypoint"])
    assert service.post({"language": "python"}).fields() == ["code"]


def test_goProgram_doesNotCollideWithAFile(service):
    response = service.post({"language": "go", "code": "", "files": [file("main/x.go", "")]})
    assert (response.status, response.fields()) == (422, ["files[0].path"])


def test_limits_bindTheRun(service):
    def limited(code, **limits):
        return run(service, code=code, limits=limits)

    assert limited("while True: pass", cpu_time="200ms")["verdict"] == "cpu_time_limit"
    assert limited("x = b'x' * (100 << 20)", memory_bytes=48 << 20)["verdict"] == "memory_limit"
    result = limited("print('x' * 5000)", output_bytes=100)
    assert (result["verdict"], result["stdout"]) == ("output_limit", "x" * 100)
    result = limited("""
import resource, subprocess
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
""", open_files=40)
    assert result["stdout"] == "40\n", result
    result = limited("""
try:
    open("big", "wb").write(bytes(3 << 20))
except OSError as e:
    print(e.errno)
""", file_bytes=1 << 20)
    assert result["stdout"].strip() in ("27", "28"), result
    result = limited("""
import threading, time
started = 0
try:
    for _ in range(100):
        threading.Thread(target=time.sleep, args=(1,), daemon=True).start()
        started += 1
except RuntimeError:
    print(started)
""", processes=7)
    assert result["stdout"] == "6\n", result


def test_limits_ofFilesDoNotCountWhatTheJobBrings(service):
    result = run(service, code="open('out', 'wb').write(bytes(3000)); print('ok')",
                 files=[file("big", b"x" * (4 << 20))], limits={"file_bytes": 4096})
    assert result["stdout"] == "ok\n", result


def test_maxima_areTheOperators(start_service):
    service = start_service(SANDBOX_MAX_MEMORY="300MiB", SANDBOX_MAX_CPU_TIME="2s")
    for limits, field in (({"memory_bytes": 301 << 20}, "limits.memory_bytes"),
                          ({"cpu_time": "2001ms"}, "limits.cpu_time")):
        response = service.post({"language": "python", "code": "", "limits": limits})
        assert (response.status, response.fields()) == (422, [field])
    result = run(service, code="x = b'x' * (270 << 20); print(len(x))",
                 limits={"memory_bytes": 300 << 20})
    assert result["stdout"] == f"{270 << 20}\n", result


def test_c_compilesAllSourcesOfItsFolders(service):
    result = service.run(
        '#include <stdio.h>\n#include "lib/answer.h"\n\nint main(void) { printf("%d\\n", answer()); }\n', "c",
        files=[{"path": "lib/answer.h", "content": "int answer(void);\n"},
               {"path": "lib/the answer.c",
                "content": '#include <math.h>\n#include "lib/answer.h"\n'
                           'int answer(void) { return (int)sqrt(1764); }\n'},
               {"path": "@other.c", "content": "int unused;\n"}])
    assert (result["verdict"], result["stdout"]) == ("ok", "42\n"), result


def test_cpp_takesAnEntrypointOfAnyOfItsExtensions(service):
    result = service.run("#include <iostream>\nint f();\nint main() { std::cout << f() << N; }\n", "cpp",
                         entrypoint="src/app.cc", compiler_args=["-DN=2", "-std=c++17", "-Wall"],
                         files=[{"path": "src/f.cxx", "content": "int f() { return 4; }\n"}])
    assert (result["verdict"], result["stdout"]) == ("ok", "42"), result


@pytest.mark.parametrize("header", ["iostream", "bits/stdc++.h"])
def test_cpp_headersThatArePrecompiledMayBeIncludedAgain(service, header):
    include = f"#include <{header}>\n"
    result = service.run(include + include + '#include "f.h"\nint main() { f(); }\n', "cpp",
                         compiler_args=["-Wall", "-Werror", "-pedantic-errors"],
                         files=[{"path": "f.h", "content":
                                 f"{include}#include <iostream>\ninline void f() {{ std::cout << 4; }}\n"}])
    assert (result["verdict"], result["stdout"]) == ("ok", "4"), result


def test_javascript_requiresItsFiles(service):
    result = service.run("console.log(require('./lib/answer').answer);", "javascript",
                         files=[{"path": "lib/answer.js", "content": "exports.answer = 42;\n"}])
    assert (result["verdict"], result["stdout"]) == ("ok", "42\n"), result


ARCHIVED = {"main.py": b"import lib.text\nprint(lib.text.word, len(open('data/raw', 'rb').read()))",
            "lib/text.py": b"word = 'h\xc3\xa9'", "data/raw": bytes(range(256)) * 100,
            "deep/" * 14 + "n" * 120: b""}


def tar(format=tarfile.PAX_FORMAT, members=ARCHIVED, prefix=""):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for path, content in members.items():
            member = tarfile.TarInfo(prefix + path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def special_tar(kind=tarfile.REGTYPE, count=1, **headers):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("odd")
        member.type, member.linkname, member.pax_headers = kind, "/etc/passwd", headers
        for _ in range(count):
            archive.addfile(member)
    return out.getvalue()


def zipped(members=ARCHIVED, compression=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        archive.writestr("lib/", "")
        for path, content in members.items():
            archive.writestr(path, content)
    return out.getvalue()


def zip_that_lies(offset, value, magic=b"PK\x01\x02"):
    """Of its last directory entry, or of the record at its end, says something else."""
    content = bytearray(zipped({"one": b"1", "two": b"2"}, zipfile.ZIP_STORED))
    at = content.rindex(magic) + offset
    content[at:at + len(value)] = value
    return bytes(content)


def zip_of_a_link(name="odd"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo(name)
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return out.getvalue()


def archive(content, format):
    return {"content": base64.b64encode(content).decode(), "format": format}


@pytest.mark.parametrize("content, format", [
    (tar(), "tar"), (tar(tarfile.GNU_FORMAT, prefix="./"), "tar"), (gzip.compress(tar()), "tar.gz"),
    (zipped(), "zip"), (zipped(compression=zipfile.ZIP_STORED), "zip")],
    ids=["pax", "gnu", "tar.gz", "zip", "stored"])
def test_archive_isTheSameAsFiles(any_store, content, format):
    result = run(any_store, archive=archive(content, format))
    assert (result["verdict"], result["stdout"]) == ("ok", "hé 25600\n"), result
    same = run(any_store, files=[file(path, data) for path, data in ARCHIVED.items()])
    assert same["stdout"] == result["stdout"]


@pytest.mark.parametrize("content, format, problem", [
    (special_tar(tarfile.SYMTYPE), "tar", 'member "odd" is a link'),
    (special_tar(tarfile.LNKTYPE), "tar", 'member "odd" is a link'),
    (special_tar(tarfile.FIFOTYPE), "tar", 'member "odd" is a device or a pipe'),
    (special_tar(tarfile.CHRTYPE), "tar", 'member "odd" is a device or a pipe'),
    (special_tar(tarfile.GNUTYPE_SPARSE), "tar", 'member "odd" is of a kind'),
    (special_tar(**{"GNU.sparse.major": "1"}), "tar", 'member "odd" is of a kind'),
    (special_tar(count=2), "tar", 'member "odd" is there twice'),
    (special_tar(tarfile.DIRTYPE, count=4001), "tar", "at most 4000 members"),
    (zip_of_a_link(), "zip", 'member "odd" is a link'),
    (zip_of_a_link("odd/"), "zip", 'member "odd/" is a link'),
    (zip_that_lies(8, b"\1"), "zip", 'member "two" is encrypted'),
    (zip_that_lies(10, b"\x0e"), "zip", 'member "two" is compressed in a way'),
    (zip_that_lies(16, b"\0\0\0\0"), "zip", 'member "two" is broken'),
    (zip_that_lies(20, b"\xff" * 4), "zip", 'member "two" is not where'),
    (zip_that_lies(24, b"\xff" * 4), "zip", 'member "two" is too large'),
    (zip_that_lies(24, b"\2"), "zip", 'member "two" is broken'),
    (zip_that_lies(42, b"\0\0\0\0"), "zip", 'member "two" is not where'),
    (zip_that_lies(8, b"\xff" * 12, b"PK\x05\x06"), "zip", "a zip64 one, or broken"),
    (tar(members={"../x": b""}), "tar", 'member "../x" has a path'),
    (tar(members={"/etc/x": b""}), "tar", 'member "/etc/x" has a path'),
    (zipped({"a/../../x": b""}), "zip", 'member "a/../../x" has a path'),
    (zipped({"a": b"", "a/b": b""}), "zip", 'member "a/b" is there twice'),
    (gzip.compress(bytes(64 << 20)), "tar.gz", "inflates to more than"),
    (zipped({"bomb": bytes(17 << 20)}), "zip", 'member "bomb" is too large'),
    (zipped({f"bomb{i}": bytes(5 << 20) for i in range(4)}), "zip", 'member "bomb3" is too large'),
    (tar(members={f"f{i}": b"" for i in range(1001)}), "tar", "at most 1000 files"),
    (zipped()[:-30], "zip", "is no zip archive"), (zipped(), "tar", "is no tar archive"),
    (gzip.compress(tar())[:-1], "tar.gz", "is no whole gzip file"), (b"", "zip", "is no zip archive")])
def test_archiveThatLeadsElsewhereOrIsTooMuch_isRefusedByMember(service, content, format, problem):
    response = service.post({"language": "python", "archive": archive(content, format)})
    assert (response.status, response.fields()) == (422, ["archive.content"]), response.body
    assert problem in response.json["errors"][0]["message"], response.body


@pytest.mark.parametrize("members, field", [
    ({"archive": "x"}, "archive"), ({"archive": {}}, "archive.content"),
    ({"archive": {"content": "!", "format": "tar"}}, "archive.content"),
    ({"archive": {"content": "", "format": "rar"}}, "archive.format"),
    ({"archive": archive(tar(), "tar"), "files": []}, "archive"),
    ({"archive": archive(tar(members={}), "tar")}, "entrypoint")])
def test_wrongArchive_isNamed(service, members, field):
    response = service.post({"language": "python", **members})
    assert response.status == 422
    assert field in response.fields()


def test_archivesOfABatch_areBoundedTogether(service):
    bomb = archive(gzip.compress(bytes(6 << 20) + tar()), "tar.gz")  # nothing but an end, and more
    response = service.request("POST", "/v1/batch", body={
        "jobs": [{"language": "python", "code": "", "archive": bomb}] * 5})
    assert response.status in (200, 202), response.body
    refused = [item["error"]["errors"] for item in response.json["jobs"] if "error" in item]
    assert len(refused) == 2, response.body
    assert "of a batch" in refused[0][0]["message"]
