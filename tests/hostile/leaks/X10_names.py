# tries = "know the names of the next temporary files from its own"
# verdict = "ok"
# rounds = 3
# differs = true
# expect = { "fresh" = "\\S+( \\S+)*" }
import tempfile

say("fresh", tempfile.mktemp())
