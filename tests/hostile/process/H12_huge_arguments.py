# tries = "start programs with arguments as large as the kernel takes"
# verdict = ["ok", "memory_limit"]
# expect = { "exec" = "done|E2BIG|ENOMEM" }
import subprocess

for count, size in ((1, 131071), (1, 131073), (100, 100000), (1000, 100000), (2000000, 1)):
    attempt("exec", lambda: subprocess.run(["/bin/true"] + ["x" * size] * count) and None)
attempt("exec", lambda: subprocess.run(["/bin/true"], env={f"N{n}": "x" * 100000 for n in range(300)}) and None)
