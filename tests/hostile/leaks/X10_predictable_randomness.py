# tries = "predict the next job's random numbers, addresses and temporary names from its own"
# verdict = "ok"
# rounds = 2
# differs = true
# expect = { "fresh" = "[0-9a-f]{64}" }
import hashlib
import random
import tempfile
import uuid

parts = [random.random(), hash("x"), id(object()), tempfile.mktemp(), uuid.uuid4(), os.urandom(16),
         open("/proc/self/auxv", "rb").read()]
say("fresh", hashlib.sha256(repr(parts).encode()).hexdigest())
