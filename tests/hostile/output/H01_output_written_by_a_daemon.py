# tries = "go on writing into the compiled program after the compiler has ended"
# language = "build"
# verdict = "ok"
# stdout = "\\Afirst\\Z"
with open("main", "w") as f:
    f.write("#!/bin/sh\nprintf first\nexit 0\n")
if os.fork() == 0:
    os.setsid()
    while True:
        with open("main", "r+") as f:
            f.seek(0, 2)
            f.write("x" * 100)
        with open("main", "r+") as f:
            f.truncate(32)
