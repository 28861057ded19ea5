# tries = "keep pid 1 busy with orphans that end at once"
# verdict = "time_limit"
# timeout = "1s"
while True:
    try:
        if os.fork() == 0:
            try:
                os.fork()
            except OSError:
                pass
            os._exit(0)
        os.waitpid(-1, os.WNOHANG)
    except OSError:
        pass
