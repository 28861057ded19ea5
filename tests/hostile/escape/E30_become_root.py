# tries = "become another user or group by every call there is"
# verdict = "ok"
# expect = { "setuid" = "ENOSYS", "setgid" = "ENOSYS", "setreuid" = "ENOSYS", "setresuid" = "ENOSYS", "setresgid" = "ENOSYS", "setgroups" = "ENOSYS", "capset" = "ENOSYS", "ids" = "1000 1000 1000 1000 1000 1000" }
call("setuid", 0)
call("setgid", 0)
call("setreuid", 0, 0)
call("setresuid", 0, 0, 0)
call("setresgid", 0, 0, 0)
call("setgroups", 0, 0)
header = (ctypes.c_uint * 2)(0x20080522, 0)
call("capset", header, (ctypes.c_uint * 6)(*[0xFFFFFFFF] * 6))
say("ids", " ".join(map(str, os.getresuid() + os.getresgid())))
