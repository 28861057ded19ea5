# tries = "take anonymous memory in steps of 1 MiB until killed"
# verdict = "memory_limit"
# within_ms = 1000
# needs = ["cgroup"]
blocks = []
while True:
    blocks.append(bytearray(b"x" * (1 << 20)))
