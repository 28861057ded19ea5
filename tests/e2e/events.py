"""Reads Server-Sent Events as a client does, checking each against the contract."""

import base64
import json
import socket
import time

from service import CONTRACT


class Event:
    def __init__(self, kind, identity, data):
        self.kind = kind
        self.id = identity
        self.data = data
        self.at = time.monotonic()

    def bytes(self):
        if self.data["encoding"] == "base64":
            return base64.b64decode(self.data["data"], validate=True)
        return self.data["data"].encode()

    def __repr__(self):
        return f"{self.kind} {self.id} {str(self.data)[:200]}"


class EventReader:
    """A connection to the events of one job. Iterate over it; it ends with the stream."""

    def __init__(self, service, job_id, last_id=None, deadline=60, address="127.0.0.1",
                 key=None):
        self.connection = socket.create_connection((address, service.port), timeout=deadline)
        self.target = f"/v1/execute/{job_id}/events"
        resume = f"Last-Event-ID: {last_id}\r\n" if last_id is not None else ""
        resume += f"Authorization: Bearer {key}\r\n" if key is not None else ""
        self.connection.sendall(
            f"GET {self.target} HTTP/1.1\r\nHost: x\r\n{resume}\r\n".encode())
        self.file = self.connection.makefile("rb")
        self.comments = 0
        self.complete = False  # the last chunk was there
        self._read_header()

    def _read_header(self):
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while line := self.file.readline().strip().decode():
            name, value = line.split(":", 1)
            self.headers[name.lower()] = value.strip()
        body = b""
        if "content-length" in self.headers:
            body = self.file.read(int(self.headers["content-length"]))
        value = json.loads(body) if body else None
        CONTRACT.check("GET", self.target, self.status, self.headers, body, value)

    def _chunks(self):
        """The body's pieces; what is read of the connection goes no further than one of them."""
        while True:
            size = self.file.readline()
            if not size:
                return
            size = int(size, 16)
            data = self.file.read(size)
            assert self.file.read(2) == b"\r\n"
            if size == 0:
                self.complete = True
                return
            yield data

    def __iter__(self):
        assert self.status == 200
        assert self.headers["content-type"] == "text/event-stream"
        buffer = b""
        for chunk in self._chunks():
            buffer += chunk
            while b"\n\n" in buffer:
                block, buffer = buffer.split(b"\n\n", 1)
                fields = {}
                for line in block.decode().split("\n"):
                    if line.startswith(":"):
                        self.comments += 1
                        continue
                    name, value = line.split(": ", 1)
                    assert name not in fields
                    fields[name] = value
                if "event" not in fields:
                    continue
                data = json.loads(fields["data"])
                CONTRACT.check_event(fields["event"], data)
                assert ("id" in fields) == (fields["event"] != "usage")
                yield Event(fields["event"], fields.get("id"), data)

    def until(self, condition):
        """Events up to the first that fulfils the condition."""
        for event in self:
            if condition(event):
                return event
        raise AssertionError("the stream has ended")

    def close(self):
        self.file.close()
        self.connection.close()


def output(events, kind="stdout"):
    """The bytes of a stream, which must come without gap and duplicate."""
    data = b""
    for event in events:
        if event.kind == kind:
            assert event.data["offset"] == len(data), event
            assert "gap" not in event.data
            data += event.bytes()
    return data
