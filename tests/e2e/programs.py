"""The programs of tests/programs/ and what is expected of them.

A program is a folder `<language>/<name>` with its source (SOURCES) and `expect.toml`. Its keys:

  stdin, stdin_file, stdin_generate   the input: inline, a file beside it, or "integers N"
  timeout                             as in the request
  verdict, exit_code, signal          exact; exit_code and signal must be absent when not given
  stdout, stderr                      exact; stdout may be in expected.txt instead
  stdout_base64, stdout_encoding      for output that is not UTF-8
  stdout_prefix, stdout_contains, stderr_contains, message_contains, compile_stderr_contains
  stdout_truncated, stderr_truncated, stdout_bytes, stderr_bytes
  bare_runs = false                   needs limits: check_programs.py does not run it
"""

import base64
import pathlib
import tomllib

from service import stream

ROOT = pathlib.Path(__file__).resolve().parents[1] / "programs"
SOURCES = {"c": "main.c", "cpp": "main.cpp", "go": "main.go", "javascript": "main.js",
           "python": "main.py"}
COMPILED = {"c", "cpp", "go"}
KEYS = {
    "stdin", "stdin_file", "stdin_generate", "timeout", "verdict", "exit_code", "signal", "stdout",
    "stderr", "stdout_base64", "stdout_encoding", "stdout_prefix", "stdout_contains",
    "stderr_contains", "message_contains", "compile_stderr_contains", "stdout_truncated",
    "stderr_truncated", "stdout_bytes", "stderr_bytes", "bare_runs",
}


def integers(count):
    """Deterministic numbers below a million, one a line."""
    state, lines = 12345, []
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2**31
        lines.append(str(state % 1_000_000))
    return "\n".join(lines) + "\n"


class Program:
    def __init__(self, folder):
        self.folder = folder
        self.language = folder.parent.name
        self.name = f"{self.language}/{folder.name}"
        self.source = folder / SOURCES[self.language]
        self.expect = tomllib.loads((folder / "expect.toml").read_text())
        unknown = self.expect.keys() - KEYS
        if unknown:
            raise ValueError(f"{folder}/expect.toml: unknown keys {sorted(unknown)}")

    @property
    def code(self):
        return self.source.read_text()

    @property
    def stdin(self):
        expect = self.expect
        if "stdin_file" in expect:
            return (self.folder / expect["stdin_file"]).read_text()
        if "stdin_generate" in expect:
            kind, count = expect["stdin_generate"].split()
            return {"integers": integers}[kind](int(count))
        return expect.get("stdin", "")

    def submission(self):
        body = {"language": self.language, "code": self.code}
        if self.stdin:
            body["stdin"] = self.stdin
        if "timeout" in self.expect:
            body["timeout"] = self.expect["timeout"]
        return body

    def expected_stdout(self):
        """Bytes, or None when the output is not fixed."""
        expect = self.expect
        if "stdout" in expect:
            return expect["stdout"].encode()
        if "stdout_base64" in expect:
            return base64.b64decode(expect["stdout_base64"])
        file = self.folder / "expected.txt"
        return file.read_bytes() if file.exists() else None

    def check_output(self, stdout, stderr):
        """Compares the raw bytes of both streams with what is expected."""
        expect = self.expect
        expected = self.expected_stdout()
        if expected is not None:
            assert stdout == expected
        assert stdout.startswith(expect.get("stdout_prefix", "").encode())
        for part in expect.get("stdout_contains", []):
            assert part.encode() in stdout
        if "stderr" in expect:
            assert stderr == expect["stderr"].encode()
        for part in expect.get("stderr_contains", []):
            assert part.encode() in stderr
        for key, data in (("stdout_bytes", stdout), ("stderr_bytes", stderr)):
            if key in expect:
                # The cut falls before a character that would cross the limit.
                assert expect[key] - 3 <= len(data) <= expect[key]

    def check_job(self, job):
        """Compares a finished job, as the API gives it, with what is expected."""
        expect = self.expect
        assert job["status"] == "completed", job
        assert job["language"] == self.language
        assert job["attempts"] == 1
        result = job["result"]
        summary = {k: v for k, v in result.items() if k not in ("stdout", "stderr")}
        context = (summary, result["stdout"][:2000], result["stderr"][:2000])
        assert result["verdict"] == expect["verdict"], context
        assert result.get("exit_code") == expect.get("exit_code"), context
        assert result.get("signal") == expect.get("signal") or expect["verdict"] != "signalled", (
            context)
        for name in ("stdout_truncated", "stderr_truncated"):
            assert result[name] == expect.get(name, False), context
        assert result["stdout_encoding"] == expect.get("stdout_encoding", "utf8"), context
        self.check_output(stream(result, "stdout"), stream(result, "stderr"))
        assert expect.get("message_contains", "") in result["message"], context

        assert ("compile" in result) == (self.language in COMPILED), context
        for part in expect.get("compile_stderr_contains", []):
            assert part in result["compile"]["stderr"], context
        if expect["verdict"] == "compile_error":
            assert result["compile"]["exit_code"] != 0, context
        else:
            assert result["usage"]["wall_time_ms"] > 0, context
            assert result["usage"]["processes_peak"] >= 1, context


def discover():
    return [Program(f.parent) for f in sorted(ROOT.glob("*/*/expect.toml"))]
