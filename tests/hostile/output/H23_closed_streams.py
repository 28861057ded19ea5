# tries = "close the three streams and go on"
# verdict = "ok"
# stdout = "\\A\\Z"
# within_ms = 2500
import time

for fd in (0, 1, 2):
    os.close(fd)
opened = [os.open("/box/main.py", os.O_RDONLY) for _ in range(3)]
time.sleep(0.1)
os._exit(0 if opened == [0, 1, 2] else 1)
