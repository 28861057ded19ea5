# tries = "a regular expression that backtracks for ever"
# verdict = "time_limit"
# timeout = "1s"
import re

re.match(r"(a+)+$", "a" * 60 + "b")
