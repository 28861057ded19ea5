# tries = "know the next identities and secrets from its own"
# verdict = "ok"
# rounds = 3
# differs = true
# expect = { "fresh" = "\\S+( \\S+)*" }
import secrets
import uuid

say("fresh", f"{uuid.uuid4()} {secrets.token_hex()}")
