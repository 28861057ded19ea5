"""The hostile programs of tests/hostile/ and what must become of them.

An attack is one file, `<group>/<id>_<name>.py`, or another language's. It begins with a comment block that holds
TOML. Its keys:

  tries                     a sentence: what the program attempts
  language                  default: by the suffix; "build" runs the program as a compile step
                            (tests/hostile/languages)
  verdict                   the one verdict that is right, or a list of those that are
  exit_code, signal         exact, or a list
  stdout, stderr, message, compile_stdout, compile_stderr
                            regular expressions that must match somewhere
  stdout_hex                the exact bytes of stdout
  timeout                   of the request; SANDBOX_TIMEOUT of the suite's service when absent
  stdin, stdin_size         of the request: text, or so many bytes
  within_ms                 upper bound of the run's own wall-clock time
  max_cpu_ms, max_processes upper bounds of what it used
  death_ms                  what the kernel may take to tear down its processes, beyond the usual
  health_ms                 while it runs, nine of ten requests for /health take no longer
  needs                     list of what the machine must give: "cgroup" (memory and processes of a
                            job are bounded as a whole), "uid" (a host uid for each slot)
  rounds                    runs it so many times, one behind the other (default 1)
  differs = true            the rounds print different things
  prelude = false           Python: without tests/hostile/prelude.py before it
  [relax]                   invariant = "why": what is not checked afterwards
  [expect]                  step = "regex": the program prints "step: outcome" lines; every step must
                            be there, no other may be, and each outcome must match in full
  [compile_expect]          the same for what the compile step prints
  [[expand]]                token, text, count: the token in the program becomes the repeated text

Tokens @NAME@ of the host are replaced as well: see `Host` in hostile.py.
"""

import pathlib
import re
import tomllib

from service import stream

ROOT = pathlib.Path(__file__).resolve().parents[1] / "hostile"
LANGUAGES = {".py": "python", ".go": "go", ".c": "c", ".cpp": "cpp", ".js": "javascript"}
COMMENTS = {".py": "#", ".go": "//", ".c": "//", ".cpp": "//", ".js": "//"}
KEYS = {
    "tries", "verdict", "exit_code", "signal", "stdout", "stderr", "message", "compile_stderr",
    "timeout", "stdin", "stdin_size", "stdout_hex", "compile_stdout", "compile_expect", "language",
    "differs", "within_ms", "max_cpu_ms", "health_ms", "death_ms", "max_processes", "needs", "rounds", "prelude",
    "relax", "expect", "expand",
}
PRELUDE = (ROOT / "prelude.py").read_text()


def as_list(value):
    return value if isinstance(value, list) else [value]


class Attack:
    def __init__(self, path):
        self.path = path
        self.id = path.stem.split("_")[0]
        self.name = f"{path.parent.name}/{path.stem}"
        text = path.read_text()
        mark, lines = COMMENTS[path.suffix], []
        for line in text.splitlines():
            if not line.startswith(mark):
                break
            lines.append(line[len(mark):].removeprefix(" "))
        try:
            self.header = tomllib.loads("\n".join(lines))
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{path}: {error}") from None
        unknown = self.header.keys() - KEYS
        if unknown or not {"tries", "verdict"} <= self.header.keys():
            raise ValueError(f"{path}: a header needs tries and verdict; unknown: {sorted(unknown)}")
        self.language = self.header.get("language", LANGUAGES[path.suffix])
        self.text = text.split("\n", len(lines))[-1]  # the program alone
        if path.suffix == ".py" and self.header.get("prelude", True):
            self.text = f"{PRELUDE}\n{self.text}"
        for expansion in self.header.get("expand", []):
            self.text = self.text.replace(
                expansion["token"], expansion["text"] * expansion.get("count", 1))

    def submission(self, tokens, patient=False):
        """`patient`: a job that is to end by itself has time to, whatever else runs."""
        code = self.text
        for name, value in tokens.items():
            code = code.replace(f"@{name}@", str(value))
        body = {"language": self.language, "code": code}
        for key in ("timeout", "stdin"):
            if key in self.header:
                body[key] = self.header[key]
        if patient and "time_limit" not in as_list(self.header["verdict"]):
            body["timeout"] = "50s"
        if "stdin_size" in self.header:
            body["stdin"] = "x" * self.header["stdin_size"]
        return body

    def missing(self, isolation):
        """What the attack needs and the service's isolation level does not give."""
        gives = {"full": {"cgroup", "uid"}, "rootless": {"cgroup"}}.get(isolation, set())
        return sorted(set(self.header.get("needs", [])) - gives)

    def check_rounds(self, printed):
        assert not self.header.get("differs") or len(set(printed)) == len(printed), printed

    def check(self, result, timed=True):
        """Compares a job's result with the header; not `timed`: but for times."""
        header = self.header
        compiled = result.get("compile", {})
        context = {k: v for k, v in result.items() if k not in ("stdout", "stderr", "compile")}
        context = (context, result["stdout"][:1500], result["stderr"][-1500:],
                   compiled.get("stderr", "")[:1500])
        assert result["verdict"] in as_list(header["verdict"]), context
        for key in ("exit_code", "signal"):
            if key in header:
                assert result.get(key) in as_list(header[key]), (key, context)
        for key, text in (("stdout", result["stdout"]), ("stderr", result["stderr"]),
                          ("message", result["message"]),
                          ("compile_stdout", compiled.get("stdout", "")),
                          ("compile_stderr", compiled.get("stderr", ""))):
            if key in header:
                assert re.search(header[key], text), (key, context)
        if "stdout_hex" in header:
            assert stream(result, "stdout").hex() == header["stdout_hex"], context
        for key, text in (("expect", result["stdout"]),
                          ("compile_expect", compiled.get("stdout", ""))):
            if key in header:
                self._check_steps(header[key], text, context)
        usage = result.get("usage", {})
        bounds = [("max_processes", "processes_peak")]
        if timed:
            bounds += [("within_ms", "wall_time_ms"), ("max_cpu_ms", "cpu_time_ms")]
        for key, used in bounds:
            if key in header:
                assert usage[used] <= header[key], (key, context)

    @staticmethod
    def _check_steps(expect, text, context):
        seen = []
        for line in text.splitlines():
            step, _, outcome = line.partition(": ")
            pattern = expect.get(step)
            assert pattern is not None, (f"unexpected step: {line}", context)
            assert re.fullmatch(pattern, outcome), (f"{line}, not {pattern}", context)
            seen.append(step)
        unseen = expect.keys() - set(seen)
        assert not unseen, (f"steps not reached: {sorted(unseen)}", context)


def discover():
    return [Attack(path) for path in sorted(ROOT.glob("*/*"))
            if path.suffix in LANGUAGES and "_" in path.stem]
