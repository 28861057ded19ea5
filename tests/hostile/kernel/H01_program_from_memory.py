# tries = "run a program from memory, without a file, and become free of the filter by that"
# verdict = "ok"
# expect = { "seccomp" = "2", "nnp" = "1", "caps" = "0+", "uid" = "1000", "unshare" = "no" }
fd = os.memfd_create("program")
with open(os.path.realpath(sys.executable), "rb") as f:
    while part := f.read(1 << 20):
        os.write(fd, part)
probe = '''
import ctypes, os
status = {n: v.strip() for n, _, v in (l.partition(":") for l in open("/proc/self/status"))}
print("seccomp:", status["Seccomp"]); print("nnp:", status["NoNewPrivs"]); print("caps:", status["CapEff"])
print("uid:", os.getuid()); print("unshare:", "no" if ctypes.CDLL(None).unshare(0x10000000) else "yes")
'''
arguments = (ctypes.c_char_p * 4)(b"python", b"-c", probe.encode(), None)
environment = (ctypes.c_char_p * 2)(b"PYTHONHOME=/usr", None)
call("execveat", fd, b"", arguments, environment, 0x1000)
