# tries = "make files until the inodes are used up"
# verdict = "ok"
# expect = { "box" = "ENOSPC after 40[0-9][0-9]", "tmp" = "ENOSPC after 40[0-9][0-9]", "shm" = "ENOSPC after 10[0-9][0-9]" }
for name, folder in (("box", "/box"), ("tmp", "/tmp"), ("shm", "/dev/shm")):
    count = 0
    try:
        while True:
            os.close(os.open(f"{folder}/{count}", os.O_CREAT | os.O_WRONLY))
            count += 1
    except OSError as error:
        say(name, f"{errno_name(error.errno)} after {count}")
