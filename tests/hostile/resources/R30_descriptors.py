# tries = "open files until they run out"
# verdict = "ok"
# expect = { "open" = "EMFILE after 10[0-9][0-9]", "raise" = "EPERM" }
count = 0
try:
    while True:
        os.open("/dev/null", os.O_RDONLY)
        count += 1
except OSError as error:
    say("open", f"{errno_name(error.errno)} after {count}")
limit = (ctypes.c_ulong * 2)(1 << 20, 1 << 20)
call("setrlimit", 7, limit, step="raise")
