# tries = "200 000 names of one file in one folder"
# verdict = "ok"
# expect = { "links" = "(ENOSPC|EMLINK) after [0-9]+" }
open("file", "w").close()
count = 0
try:
    for count in range(200_000):
        os.link("file", f"{count:0200}")
except OSError as error:
    say("links", f"{errno_name(error.errno)} after {count}")
else:
    raise SystemExit("no bound on names")
