"""Real redis-servers on free loopback ports, and a proxy that stands between one and its clients."""

import contextlib
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

from service import eventually, free_port

START_DEADLINE = 30


class RedisError(Exception):
    pass


class RedisServer:
    """A redis-server with a folder of its own, which survives restarts.

    With append-only file and fsync always unless arguments say otherwise.
    """

    def __init__(self, *arguments, password=None):
        self.port = free_port()
        self.password = password
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="code-sandbox-redis-"))
        self.arguments = ["--appendonly", "yes", "--appendfsync", "always", "--save", "",
                          *arguments]
        if password:
            self.arguments += ["--requirepass", password, "--masterauth", password]
        self.process = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir",
                 str(self.folder), *self.arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        eventually(self._answers, START_DEADLINE, what="PING of Redis")
        return self

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            return self.command("PING") == b"PONG"
        except (OSError, RedisError):
            return False

    def command(self, *arguments):
        """Executes one command on a connection of its own; an error reply is a RedisError."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            stream = connection.makefile("rwb")
            commands = [("AUTH", self.password)] if self.password else []
            for words in [*commands, arguments]:
                encoded = [w if isinstance(w, bytes) else str(w).encode() for w in words]
                stream.write(b"*%d\r\n" % len(encoded))
                for word in encoded:
                    stream.write(b"$%d\r\n%s\r\n" % (len(word), word))
                stream.flush()
                reply = self._read(stream)
                if isinstance(reply, RedisError):
                    raise reply
            return reply

    def _read(self, stream):
        line = stream.readline()
        if not line:
            raise RedisError("the connection was closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        if int(rest) < 0:
            return None
        if kind == b"$":
            return stream.read(int(rest) + 2)[:-2]
        return [self._read(stream) for _ in range(int(rest))]

    def calls(self, *names):
        """How often clients have called these commands since the last CONFIG RESETSTAT."""
        total = 0
        for line in self.command("INFO", "commandstats").decode().splitlines():
            name, _, values = line.partition(":")
            if name.removeprefix("cmdstat_") in names:
                total += int(values.split(",")[0].removeprefix("calls="))
        return total

    def keys(self):
        """Every key with its time to live in ms; -1: for ever."""
        return {key.decode(): self.command("PTTL", key) for key in self.command("KEYS", "*")}

    def kill(self):
        """SIGKILL, as the kernel's OOM killer would."""
        self.process.kill()
        self.process.wait(30)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.resume()
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Proxy:
    """Passes connections on to `target` (a port), which may change, until it is told otherwise."""

    def __init__(self, target):
        self.target = target
        self.refuses = False  # closes new connections at once
        self.cut_after = None  # cuts a connection after as many bytes from the server
        self._flowing = threading.Event()
        self._flowing.set()
        self._pairs = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            self._flowing.wait()
            if self.refuses:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                return
            with server, contextlib.suppress(OSError):
                server.settimeout(None)
                with self._lock:
                    self._pairs.add((client, server))
                try:
                    self._pump(client, server)
                finally:
                    with self._lock:
                        self._pairs.discard((client, server))

    def _pump(self, client, server):
        passed = 0
        while True:
            ready, _, _ = select.select([client, server], [], [])
            self._flowing.wait()
            for source in ready:
                data = source.recv(65536)
                if not data:
                    return
                if source is server and self.cut_after is not None:
                    data = data[:max(0, self.cut_after - passed)]
                    passed += len(data)
                    client.sendall(data)
                    if passed >= self.cut_after:
                        return
                    continue
                (server if source is client else client).sendall(data)

    def hold(self):
        """From now on nothing passes, and nothing is refused or closed."""
        self._flowing.clear()

    def let_go(self):
        """Ends `hold`: what was held back arrives."""
        self._flowing.set()

    def cut(self):
        """Ends every connection at this moment, wherever it is."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self.let_go()


@contextlib.contextmanager
def redis_server(*arguments, **options):
    """A started server, closed at the end."""
    server = RedisServer(*arguments, **options)
    try:
        yield server.start()
    finally:
        server.close()


@contextlib.contextmanager
def proxy_to(server):
    proxy = Proxy(server.port)
    try:
        yield proxy
    finally:
        proxy.close()


def make_certificates(folder, name):
    """A certificate authority and a server certificate for `name`, as files in `folder`."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, cwd=folder, capture_output=True,
                       timeout=60, env={"PATH": os.environ["PATH"]})

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt",
            "-days", "2", "-subj", "/CN=test authority")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr",
            "-subj", f"/CN={name}")
    (folder / "names").write_text(f"subjectAltName=DNS:{name}\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", "server.crt", "-days", "2", "-extfile", "names")
