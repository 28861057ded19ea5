# tries = "set the setuid bit and file capabilities on a copy of the interpreter and run it"
# verdict = "ok"
# expect = { "chmod" = "done|EPERM", "chown" = "EPERM", "capability" = "EPERM|ENOTSUP", "euid" = "1000", "caps" = "0+", "setuid" = "ENOSYS" }
import shutil
import subprocess

shutil.copy(os.path.realpath(sys.executable), "/tmp/python")
attempt("chown", lambda: os.chown("/tmp/python", 0, 0))
attempt("chmod", lambda: os.chmod("/tmp/python", 0o6755))
attempt("capability", lambda: os.setxattr("/tmp/python", "security.capability", bytes.fromhex(
    "0100000200200000000000000000000000000000")))
probe = "import os; print(os.geteuid()); print(open('/proc/self/status').read())"
out = subprocess.run(["/tmp/python", "-c", probe], capture_output=True, text=True).stdout
say("euid", out.split("\n")[0])
say("caps", out.split("CapEff:\t")[1].split("\n")[0])
call("setuid", 0)
call("setresuid", 0, 0, 0, step="setuid")
call("setgroups", 1, (ctypes.c_int * 1)(0), step="setuid")
