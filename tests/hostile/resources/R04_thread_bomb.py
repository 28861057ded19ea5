# tries = "start 10 000 threads"
# verdict = ["nonzero_exit", "process_limit"]
# exit_code = 5
# max_processes = 64
# expect = { "threads" = "[3-6][0-9]" }
import threading
import time

count = 0
try:
    for _ in range(10_000):
        threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
        count += 1
except RuntimeError:
    say("threads", count)
os._exit(5)
