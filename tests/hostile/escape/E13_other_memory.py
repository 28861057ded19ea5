# tries = "trace pid 1, the parent and a sibling, and read their memory and descriptors"
# verdict = "ok"
# expect = { "ptrace" = "EPERM", "process_vm_readv" = "ENOSYS", "process_vm_writev" = "ENOSYS", "pidfd_getfd" = "ENOSYS", "kcmp" = "ENOSYS", "process_madvise" = "ENOSYS", "traceme" = "EPERM", "mem of pid 1" = "ENOENT" }
import signal

child = os.fork()
if child == 0:
    signal.pause()
for pid in (1, os.getppid(), child):
    call("ptrace", 16, pid, 0, 0)           # PTRACE_ATTACH
    call("ptrace", 0x4206, pid, 0, 0)       # PTRACE_SEIZE
    call("process_vm_readv", pid, 0, 0, 0, 0, 0)
    call("process_vm_writev", pid, 0, 0, 0, 0, 0)
    call("kcmp", pid, os.getpid(), 0, 0, 0)
call("ptrace", 0, 0, 0, 0, step="traceme")
fd = os.pidfd_open(child)
call("pidfd_getfd", fd, 1, 0)
call("process_madvise", fd, 0, 0, 4, 0)
attempt("mem of pid 1", lambda: open("/proc/1/mem", "r+b"))
os.kill(child, signal.SIGKILL)
