import sys


class Sum:
    """Adds itself to itself; each level is a frame on the C stack."""

    def __add__(self, other):
        return self + other


sys.setrecursionlimit(10**9)
print("going down", flush=True)
Sum() + Sum()
