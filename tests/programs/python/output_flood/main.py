import sys


def table(size):
    for a in range(1, size):
        yield " ".join(f"{a * b:7d}" for b in range(1, 40))


for row in table(100_000):
    sys.stdout.write(row + "\n")
