# tries = "a chain of 4000 folders with the output at its end, reached by a link"
# language = "build"
# verdict = "compile_error"
# message = "could not be read: reached through a link"
for _ in range(1000):
    os.mkdir("d")
    os.chdir("d")
open("main", "w").write("#!/bin/sh\n")
os.symlink("d/" * 1000 + "main", "/box/main")
