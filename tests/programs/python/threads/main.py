import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

counter = 0
lock = threading.Lock()


def add(times):
    global counter
    for _ in range(times):
        with lock:
            counter += 1


threads = [threading.Thread(target=add, args=(2000,)) for _ in range(20)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print("counter", counter)

with ThreadPoolExecutor(max_workers=8) as pool:
    futures = {pool.submit(pow, 7, n, 1_000_003): n for n in range(100)}
    total = sum(future.result() for future in as_completed(futures))
print("total", total)

work, done = queue.Queue(), queue.Queue()


def stage():
    while (item := work.get()) is not None:
        done.put(item.title())


worker = threading.Thread(target=stage, daemon=True)
worker.start()
for word in "many hands make light work".split():
    work.put(word)
work.put(None)
worker.join()
print(" ".join(done.get() for _ in range(done.qsize())))

barrier = threading.Barrier(4)
started = time.monotonic()
waiters = [threading.Thread(target=lambda: (time.sleep(0.2), barrier.wait())) for _ in range(4)]
for t in waiters:
    t.start()
for t in waiters:
    t.join()
print("in parallel:", time.monotonic() - started < 0.75)
