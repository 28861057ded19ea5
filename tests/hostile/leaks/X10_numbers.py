# tries = "know the next random numbers from its own"
# verdict = "ok"
# rounds = 3
# differs = true
# expect = { "fresh" = "\\S+( \\S+)*" }
import random

say("fresh", random.random())
