# tries = "fork until it is refused, for ever"
# verdict = "time_limit"
# timeout = "1s"
# health_ms = 100
# max_processes = 64
while True:
    try:
        os.fork()
    except OSError:
        pass
