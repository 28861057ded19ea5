"""Counts the solutions of the n queens problem and draws the first one."""
from functools import lru_cache


def solve(n):
    def place(row, columns, rising, falling, placed):
        if row == n:
            yield tuple(placed)
            return
        for column in range(n):
            if column in columns or row + column in rising or row - column in falling:
                continue
            yield from place(
                row + 1,
                columns | {column},
                rising | {row + column},
                falling | {row - column},
                placed + [column],
            )

    yield from place(0, frozenset(), frozenset(), frozenset(), [])


@lru_cache(maxsize=None)
def partitions(n, largest):
    if n == 0:
        return 1
    return sum(partitions(n - k, k) for k in range(1, min(n, largest) + 1))


solutions = list(solve(7))
print(len(solutions))
for column in solutions[0]:
    print("." * column + "Q" + "." * (6 - column))
print("partitions of 60:", partitions(60, 60))
