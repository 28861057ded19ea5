import threading

forks = [threading.Lock() for _ in range(3)]
all_hold_one = threading.Barrier(3)


def dine(seat):
    with forks[seat]:
        all_hold_one.wait()
        with forks[(seat + 1) % 3]:
            print("eating", seat)


print("three philosophers sit down", flush=True)
philosophers = [threading.Thread(target=dine, args=(seat,)) for seat in range(3)]
for p in philosophers:
    p.start()
for p in philosophers:
    p.join()
