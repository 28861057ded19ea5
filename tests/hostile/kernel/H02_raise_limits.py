# tries = "raise every resource limit, its own and those of pid 1"
# verdict = "ok"
# expect = { "raise" = "EPERM", "pid 1" = "EPERM", "core" = "\\(1, 1\\)", "raised" = "none" }
import resource

raised = []
for number in range(16):
    soft, hard = resource.getrlimit(number)
    if hard != resource.RLIM_INFINITY:
        limit = (ctypes.c_ulong * 2)(hard + 1, hard + 1)
        call("prlimit64", 0, number, limit, 0, step="raise")
        limit = (ctypes.c_ulong * 2)(2**64 - 1, 2**64 - 1)
        call("prlimit64", 0, number, limit, 0, step="raise")
        if resource.getrlimit(number) != (soft, hard):
            raised.append(number)
    call("prlimit64", 1, number, (ctypes.c_ulong * 2)(1, 1), 0, step="pid 1")
say("core", resource.getrlimit(resource.RLIMIT_CORE))
say("raised", raised or "none")
