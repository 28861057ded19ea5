# tries = "make the go command fetch a toolchain, use foreign modules, and run programs while it builds"
# verdict = "ok"
# timeout = "20s"
# expect = { "toolchain" = "failed", "replace" = "failed", "proxy" = "failed", "vcs" = "failed", "toolexec" = "failed|ran confined" }
import shutil
import subprocess

go = next(p for p in ("/usr/local/go/bin/go", "/usr/lib/go/bin/go", shutil.which("go")) if p and os.path.exists(p))
base = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "GOPATH": "/tmp/go", "GOCACHE": "/tmp/cache", "GOFLAGS": "-mod=mod"}


def build(step, module, main="package main\n\nfunc main() {}\n", arguments=(), **extra):
    os.makedirs(step)
    with open(step + "/go.mod", "w") as f:
        f.write(module)
    with open(step + "/main.go", "w") as f:
        f.write(main)
    done = subprocess.run([go, "build", *arguments, "-o", "/dev/null", "."], cwd=step, env={**base, **extra},
                          capture_output=True, text=True)
    print(done.stderr[-300:], file=sys.stderr)
    return "failed" if done.returncode else "built"


say("toolchain", build("toolchain", "module x\ngo 1.99\ntoolchain go1.99.9\n"))
say("replace", build("replace", "module x\ngo 1.18\nrequire y v0.0.0\nreplace y => ../../../../etc\n",
                     'package main\n\nimport _ "y"\n\nfunc main() {}\n'))
say("proxy", build("proxy", "module x\ngo 1.18\nrequire golang.org/x/text v0.3.0\n",
                   'package main\n\nimport _ "golang.org/x/text/language"\n\nfunc main() {}\n'))
say("vcs", build("vcs", "module x\ngo 1.18\n", 'package main\n\nimport _ "localhost/x.git"\n\nfunc main() {}\n',
                 GOPROXY="direct", GONOSUMDB="*", GOINSECURE="*"))
with open("tool.sh", "w") as f:
    f.write("#!/bin/sh\nid -u > /tmp/ran\ncat /proc/self/status >> /tmp/ran\nexec false\n")
os.chmod("tool.sh", 0o755)
build("toolexec", "module x\ngo 1.18\n", arguments=["-toolexec=/box/tool.sh"])
if os.path.exists("/tmp/ran"):
    text = open("/tmp/ran").read()
    assert text.startswith("1000\n") and "Seccomp:\t2" in text and "CapBnd:\t0000000000000000" in text
    say("toolexec", "ran confined")
else:
    say("toolexec", "failed")
