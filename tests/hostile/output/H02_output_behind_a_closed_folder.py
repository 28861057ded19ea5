# tries = "take away all rights from the work folder and the output"
# language = "build"
# verdict = "ok"
# stdout = "\\Astill there\\Z"
with open("main", "w") as f:
    f.write("#!/bin/sh\nprintf 'still there'\n")
os.chmod("main", 0)
os.chmod("/box", 0)
