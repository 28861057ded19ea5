# tries = "a chain of daemons in sessions of their own that start each other again"
# verdict = "ok"
# within_ms = 1000
def keep_alive():
    while True:
        os.setsid() if os.getsid(0) != os.getpid() else None
        try:
            if os.fork() == 0:
                continue
            os._exit(0)
        except OSError:
            pass


for _ in range(10):
    if os.fork() == 0:
        keep_alive()
os._exit(0)
