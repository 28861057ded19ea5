"""The same jobs on running peers, each over its own API, in turns with this service's.

    --peer go-judge=http://127.0.0.1:5050    criyle/go-judge: POST /run
    --peer piston=http://127.0.0.1:2000      engineer-man/piston: POST /api/v2/execute
    --peer judge0=http://127.0.0.1:2358      judge0/judge0: POST /submissions?wait=true

A peer runs what it has: go-judge its host's or image's /usr/bin/python3, gcc and go, the others the
versions that they have installed; so this compares services and their toolchains together.
"""

import json
import urllib.parse

from harness import Client, in_threads, percentiles, run_job, timed
from jobs import C_HELLO, GO_HELLO, PYTHON_HELLO

CASES = (("Python hello", "python", PYTHON_HELLO), ("C hello, new source", "c", C_HELLO),
         ("Go hello, new source", "go", GO_HELLO))
CLIENTS = 16
SECOND = 1_000_000_000


class PeerError(RuntimeError):
    """The peer's answer is not that of a job that went well."""


class Peer:
    """A peer at a URL. `run` runs one program on a connection and returns its stdout."""

    name = ""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError(f"\"{url}\" is not of the form http://HOST:PORT")
        self.host, self.port = parts.hostname, parts.port or 80

    @staticmethod
    def parse(text):
        """NAME=URL; ValueError says what is accepted."""
        name, _, url = text.partition("=")
        if name not in PEERS:
            raise ValueError(f"\"{name}\" is no peer: NAME=URL with one of " + ", ".join(PEERS))
        return PEERS[name](url)

    def connect(self):
        return Client(self.port, self.host)

    def prepare(self, client):
        """Asks for what `run` needs to know."""

    def run(self, client, language, source):
        raise NotImplementedError

    def check(self, client, language, source, expected):
        output = self.run(client, language, source)
        if output != expected:
            raise PeerError(f"{self.name}: output {output[:200]!r} instead of {expected!r}")

    @staticmethod
    def call(client, path, members, good=(200,)):
        status, answer = client.call("POST", path, json.dumps(members).encode())
        if status not in good:
            raise PeerError(f"POST {path}: {status} {answer[:500]!r}")
        return json.loads(answer)


class GoJudge(Peer):
    name = "go-judge"
    COMPILERS = {"c": ["/usr/bin/gcc", "-O2", "-o", "main", "main.c"],
                 "go": ["/usr/bin/go", "build", "-o", "main", "main.go"]}

    def _command(self, client, args, copy_in, **members):
        command = {
            "args": args, "env": ["PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp",
                                  "GOCACHE=/tmp/gocache"],
            "files": [{"content": ""}, {"name": "stdout", "max": 1 << 20},
                      {"name": "stderr", "max": 1 << 20}],
            "cpuLimit": 10 * SECOND, "clockLimit": 20 * SECOND, "memoryLimit": 512 << 20,
            "procLimit": 64, "copyIn": copy_in, **members}
        result = self.call(client, "/run", {"cmd": [command]})[0]
        if result["status"] != "Accepted":
            raise PeerError(f"go-judge: {args}: {json.dumps(result)[:500]}")
        return result

    def run(self, client, language, source):
        if language == "python":
            result = self._command(client, ["/usr/bin/python3", "main.py"],
                                   {"main.py": {"content": source}})
            return result["files"]["stdout"]
        compiler = self.COMPILERS[language]
        built = self._command(client, compiler, {compiler[-1]: {"content": source}},
                              copyOutCached=["main"])
        program = built["fileIds"]["main"]
        result = self._command(client, ["main"], {"main": {"fileId": program}})
        # Else its store grows with each job.
        client.call("DELETE", f"/file/{program}")
        return result["files"]["stdout"]


class Piston(Peer):
    name = "piston"
    FILES = {"python": "main.py", "c": "main.c", "go": "main.go"}

    def run(self, client, language, source):
        answer = self.call(client, "/api/v2/execute", {
            "language": language, "version": "*", "stdin": "",
            "files": [{"name": self.FILES[language], "content": source}]})
        if answer["run"]["code"] != 0:
            raise PeerError(f"piston: {json.dumps(answer)[:500]}")
        return answer["run"]["stdout"]


class Judge0(Peer):
    name = "judge0"
    NAMES = {"python": "Python (3", "c": "C (GCC", "go": "Go ("}
    ACCEPTED = 3  # GET /statuses

    def __init__(self, url):
        super().__init__(url)
        self.ids = {}

    def prepare(self, client):
        status, answer = client.call("GET", "/languages")
        if status != 200:
            raise PeerError(f"judge0: GET /languages: {status}")
        for language, beginning in self.NAMES.items():
            found = [item["id"] for item in json.loads(answer)
                     if item["name"].startswith(beginning)]
            if found:
                self.ids[language] = max(found)

    def run(self, client, language, source):
        if language not in self.ids:
            raise PeerError(f"judge0 has no {language}")
        answer = self.call(client, "/submissions?base64_encoded=false&wait=true", {
            "source_code": source, "language_id": self.ids[language], "stdin": ""}, (200, 201))
        if answer["status"]["id"] != self.ACCEPTED:
            raise PeerError(f"judge0: {json.dumps(answer)[:500]}")
        return answer["stdout"]


PEERS = {peer.name: peer for peer in (GoJudge, Piston, Judge0)}


def measure(port, found, sources, rounds, seconds):
    """One row for each case and peer; PeerError when a peer does not run it."""
    rows = []
    for peer in found:
        client = peer.connect()
        peer.prepare(client)
        client.close()
        for case, language, template in CASES:
            rows.append({"case": case, "peer": peer.name, "n": rounds,
                         **compare(port, peer, language, template, sources, rounds, seconds)})
    return rows


def compare(port, peer, language, template, sources, rounds, seconds):
    def ours(client):
        run_job(client, language, *sources.take(template))

    def theirs(client):
        peer.check(client, language, *sources.take(template))

    here, there = Client(port), peer.connect()
    samples = ([], [])
    for i in range(rounds + 3):
        took = timed(ours, here), timed(theirs, there)
        if i >= 3:  # the first ones warm both up
            samples[0].append(took[0])
            samples[1].append(took[1])
    here.close()
    there.close()
    return {
        "ours": percentiles(samples[0]), "theirs": percentiles(samples[1]),
        "ours_per_second": in_threads(ours, CLIENTS, seconds, lambda: (Client(port),)),
        "theirs_per_second": in_threads(theirs, CLIENTS, seconds, lambda: (peer.connect(),)),
    }
