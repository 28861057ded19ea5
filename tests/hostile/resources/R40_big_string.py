# tries = "a string of 10^12 characters"
# verdict = ["memory_limit", "nonzero_exit"]
blocks = []
try:
    "a" * 10**12
except MemoryError:
    pass
"a" * (1 << 30)
