"""A client of GET /v1/interactive, checking each message against the contract."""

import base64
import json
import os
import socket

import websocket

from service import CONTRACT


def handshake(service, deadline=30, **changes):
    """The raw connection after a handshake's request with these header fields; None leaves one out."""
    fields = {"Host": f"127.0.0.1:{service.port}", "Connection": "Upgrade", "Upgrade": "websocket",
              "Sec-WebSocket-Version": "13",
              "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode()}
    fields.update({name.replace("_", "-"): value for name, value in changes.items()})
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=deadline)
    lines = [f"{name}: {value}\r\n" for name, value in fields.items() if value is not None]
    connection.sendall(f"GET /v1/interactive HTTP/1.1\r\n{''.join(lines)}\r\n".encode())
    return connection


def frame(opcode, payload=b"", fin=True, masked=True):
    """The bytes of one frame (RFC 6455, 5.2); its mask is 0."""
    size = len(payload)
    length = (bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big") if size < 1 << 16
              else b"\x7f" + size.to_bytes(8, "big"))
    first = bytes([opcode | (0x80 if fin else 0), length[0] | (0x80 if masked else 0)])
    return first + length[1:] + (bytes(4) if masked else b"") + payload


def submission(code, language="python", **members):
    return {"language": language, "code": code, **members}


class Session:
    """One session, from the handshake on."""

    def __init__(self, service, code=None, deadline=60, header=None, **members):
        self.socket = websocket.create_connection(
            f"ws://127.0.0.1:{service.port}/v1/interactive", timeout=deadline, header=header or [],
            suppress_origin=True)
        self.messages = []
        self.close_code = None
        self.close_reason = None
        if code is not None:
            self.send(submission(code, **members))

    def send(self, message):
        self.socket.send(message if isinstance(message, str) else json.dumps(message))

    def stdin(self, data):
        """As a binary message when it is bytes, else as text."""
        if isinstance(data, bytes):
            self.socket.send_binary(data)
        else:
            self.send({"type": "stdin", "data": data})

    def eof(self):
        self.send({"type": "eof"})

    def signal(self, name):
        self.send({"type": "signal", "signal": name})

    def resize(self, rows, cols):
        self.send({"type": "resize", "rows": rows, "cols": cols})

    def receive(self):
        """The next message; None once the server closes."""
        opcode, data = self.socket.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            self.close_code = int.from_bytes(data[:2], "big")
            self.close_reason = data[2:].decode()
            return None
        assert opcode == websocket.ABNF.OPCODE_TEXT
        message = json.loads(data)
        CONTRACT.check_message(message)
        self.messages.append(message)
        return message

    def until(self, condition):
        """Reads up to the first message that fulfils the condition, and returns it."""
        while (message := self.receive()) is not None:
            if condition(message):
                return message
        raise AssertionError(f"closed with {self.close_code}: {self.messages[-3:]}")

    def until_output(self, wanted, kind="stdout"):
        """Reads until a stream ends with these bytes."""
        while not self.output(kind).endswith(wanted):
            assert self.receive() is not None, (self.close_code, self.close_reason, self.messages[-3:])

    def until_closed(self):
        """Reads to the end; the last message."""
        while self.receive() is not None:
            pass
        return self.messages[-1]

    def result(self):
        """The job as the last message has it."""
        last = self.until_closed()
        assert last["type"] == "result", last
        assert self.close_code == 1000
        return last["data"]

    def job_id(self):
        """From the first message, which is read if need be."""
        first = self.messages[0] if self.messages else self.receive()
        assert first["type"] == "status", first
        return first["data"]["id"]

    def output(self, kind="stdout"):
        """The bytes of a stream so far, which must come without gap and duplicate."""
        data = b""
        for message in self.messages:
            if message["type"] == kind:
                event = message["data"]
                assert event["offset"] == len(data) and "gap" not in event, message
                data += (base64.b64decode(event["data"], validate=True)
                         if event["encoding"] == "base64" else event["data"].encode())
        return data

    def close(self):
        self.socket.close()

    def vanish(self):
        """Closes the connection without a word."""
        self.socket.shutdown()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.vanish()
