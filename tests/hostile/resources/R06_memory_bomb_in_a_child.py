# tries = "let a child run out of memory while the parent exits with 0"
# verdict = "memory_limit"
# needs = ["cgroup"]
pid = os.fork()
if pid == 0:
    blocks = []
    while True:
        blocks.append(bytearray(b"x" * (1 << 20)))
os.waitpid(pid, 0)
print("the parent exits well", flush=True)
