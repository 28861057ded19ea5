# tries = "place links where the service writes the run step's files"
# language = "build"
# verdict = "ok"
# stdout = "collected"
os.symlink("/etc/passwd", "build.py.new")
os.remove("build.py")
os.symlink("/tmp/other", "build.py")
with open("main", "w") as f:
    f.write("#!/bin/sh\necho collected; ls -l\n")
os.chmod("main", 0o600)
