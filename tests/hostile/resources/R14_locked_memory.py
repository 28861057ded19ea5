# tries = "lock memory so that it cannot be reclaimed"
# verdict = "ok"
# expect = { "mlockall" = "ENOMEM", "MAP_LOCKED" = "EAGAIN", "raise" = "ValueError" }
import mmap
import resource

call("mlockall", 1)
call("mmap", 0, 64 << 20, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x2000, -1, 0,
     step="MAP_LOCKED")
try:
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 30, 1 << 30))
except ValueError:
    say("raise", "ValueError")
