import multiprocessing


def count_primes(bounds):
    low, high = bounds
    return sum(
        all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(max(low, 2), high))


def shared_increment(value, times):
    for _ in range(times):
        with value.get_lock():
            value.value += 1


if __name__ == "__main__":
    with multiprocessing.Pool(4) as pool:
        print(sum(pool.map(count_primes, [(i, i + 2500) for i in range(0, 20000, 2500)])))
        print(len(set(pool.map(abs, range(-3, 4)))))
    value = multiprocessing.Value("i", 0)
    workers = [multiprocessing.Process(target=shared_increment, args=(value, 200)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(value.value, {worker.exitcode for worker in workers})
