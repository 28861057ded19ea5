# tries = "end the main thread and go on in others"
# verdict = "time_limit"
# timeout = "500ms"
import threading
import time

threading.Thread(target=time.sleep, args=(100,)).start()
libc.syscall(60, 0)
