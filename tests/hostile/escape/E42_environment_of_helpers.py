# tries = "set the variables that make linkers, shells and interpreters run foreign code, then start a setuid program"
# verdict = "ok"
# expect = { "uid" = "1000", "preload file" = "EROFS", "inherited" = "none" }
import subprocess

attempt("preload file", lambda: open("/etc/ld.so.preload", "w"))
names = {"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "PYTHONSTARTUP", "PYTHONPATH", "GOFLAGS", "BASH_ENV", "ENV",
         "IFS", "GCONV_PATH", "NODE_OPTIONS", "PERL5OPT"}
say("inherited", " ".join(sorted(names & os.environ.keys())) or "none")
os.environ.update({name: "/box/evil" for name in names - {"IFS", "LD_PRELOAD"}})
try:
    out = subprocess.run(["/usr/bin/su", "-c", "id -u"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if out.stdout.strip() == "0":
        say("uid", 0)
except FileNotFoundError:
    pass  # a root of its own has no setuid programs
say("uid", os.geteuid())
