# tries = "do in the compile step what the run step may not"
# language = "build"
# verdict = "compile_error"
# compile_expect = { "unshare" = "ENOSYS", "mount" = "ENOSYS", "bpf" = "ENOSYS", "io_uring_setup" = "ENOSYS", "ptrace" = "EPERM", "keyctl" = "ENOSYS", "userfaultfd" = "ENOSYS", "shadow" = "ENOENT", "state" = "ENOENT", "cache" = "EROFS|ENOENT", "system" = "EROFS", "connect" = "ENOSYS", "vsock" = "ENOSYS", "alg" = "ENOSYS", "ids" = "1000 1000", "caps" = "0+", "nnp" = "1", "pids" = "own only", "environment" = "HOME LANG( LC_CTYPE)? PATH" }
import socket

for name in ("unshare", "mount", "bpf", "io_uring_setup", "ptrace", "keyctl", "userfaultfd"):
    call(name, 0x10000000, 0, 0, 0, 0, 0)
attempt("shadow", lambda: open("/etc/shadow").read())
attempt("state", lambda: os.listdir("@STATE_DIR@"))
attempt("cache", lambda: open("/cache/go/x", "w"))
attempt("system", lambda: open("/usr/lib/x", "w"))
attempt("connect", lambda: socket.create_connection(("127.0.0.1", @SERVICE_PORT@), timeout=1))
call(41, 40, 1, 0, step="vsock")
call(41, 38, 5, 0, step="alg")
say("ids", f"{os.getuid()} {os.getgid()}")
status = own_status()
say("caps", status["CapBnd"])
say("nnp", status["NoNewPrivs"])
say("pids", "own only" if [n for n in os.listdir("/proc") if n.isdigit()] == [str(os.getpid())] else "others")
say("environment", " ".join(sorted(os.environ)))
