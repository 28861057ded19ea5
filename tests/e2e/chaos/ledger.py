"""Redis's append-only file as a witness: every write to a job, in order, whatever the nodes say."""

import collections
import dataclasses

FINAL = {"completed", "failed", "cancelled"}


@dataclasses.dataclass
class History:
    statuses: list = dataclasses.field(default_factory=list)  # each one written, in order
    attempts: int = 0

    @property
    def runs(self):
        return self.statuses.count("running")

    def wrong(self):
        """What is wrong with a job that has ended; None when nothing is."""
        finals = [i for i, status in enumerate(self.statuses) if status in FINAL]
        if len(finals) != 1:
            return f"finished {len(finals)} times: {self.statuses}"
        if finals[0] != len(self.statuses) - 1:
            return f"changed after its end: {self.statuses}"
        return None


def _commands(data):
    """The commands of an append-only file; each a list of words."""
    at = 0
    while at < len(data):
        end = data.index(b"\r\n", at)
        assert data[at:at + 1] == b"*", f"not a command at byte {at}"
        words, count, at = [], int(data[at + 1:end]), end + 2
        for _ in range(count):
            end = data.index(b"\r\n", at)
            size = int(data[at + 1:end])
            words.append(data[end + 2:end + 2 + size])
            at = end + 2 + size + 2
        yield words


def read(folder, prefix):
    """Histories by job id, of a Redis that has never rewritten its file."""
    files = sorted((folder / "appendonlydir").glob("*.incr.aof"))
    assert len(files) == 1, f"one file expected, found {files}"
    histories = collections.defaultdict(History)
    start = f"{prefix}:job:".encode()
    for words in _commands(files[0].read_bytes()):
        if len(words) < 4 or not words[1].startswith(start):
            continue
        history = histories[words[1][len(start):].decode()]
        name = words[0].upper()
        if name == b"HSET":
            values = dict(zip(words[2::2], words[3::2]))
            if b"status" in values:
                history.statuses.append(values[b"status"].decode())
        elif name == b"HINCRBY" and words[2] == b"attempts":
            history.attempts += int(words[3])
    return histories
