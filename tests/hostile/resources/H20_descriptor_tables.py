# tries = "the largest descriptor table in every process"
# verdict = "ok"
for _ in range(60):
    try:
        if os.fork() == 0:
            try:
                os.dup2(0, 1023)
                while True:
                    os.dup(0)
            except OSError:
                pass
            os._exit(0)
    except OSError:
        break
os._exit(0)
