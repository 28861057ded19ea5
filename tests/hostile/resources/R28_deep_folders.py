# tries = "a chain of folders deeper than any path may be long"
# verdict = "ok"
# expect = { "deep" = "ENOSPC after 40[0-9][0-9]" }
depth = 0
try:
    while True:
        os.mkdir("d")
        os.chdir("d")
        depth += 1
except OSError as error:
    say("deep", f"{errno_name(error.errno)} after {depth}")
