# tries = "children that nobody waits for"
# verdict = "ok"
# max_processes = 64
# expect = { "zombies" = "EAGAIN after 6[0-9]" }
count = 0
try:
    while True:
        if os.fork() == 0:
            os._exit(0)
        count += 1
except OSError as error:
    say("zombies", f"{errno_name(error.errno)} after {count}")
