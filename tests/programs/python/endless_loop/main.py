import itertools


def is_taxicab(n):
    pairs = set()
    for a in range(1, int(n ** (1 / 3)) + 2):
        rest = n - a**3
        if rest <= 0:
            break
        b = round(rest ** (1 / 3))
        if b >= a and b**3 == rest:
            pairs.add((a, b))
    return len(pairs) >= 5


print("looking for a number that is five sums of two cubes", flush=True)
print(next(n for n in itertools.count(1) if is_taxicab(n)))
