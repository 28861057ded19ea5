# tries = "hide data in extended attributes, which no file size shows"
# verdict = ["ok", "memory_limit"]
# expect = { "set" = "(ENOSPC|ENOTSUP|ENOMEM|E2BIG) after [0-9]+" }
count = 0
try:
    for n in range(4000):
        open(f"f{n}", "w").close()
        for k in range(64):
            os.setxattr(f"f{n}", f"user.{k}", b"x" * 60000)
            count += 1
except OSError as error:
    say("set", f"{errno_name(error.errno)} after {count}")
