import os
import subprocess
import sys

WORKER = """
import sys
for line in sys.stdin:
    print(int(line) ** 2, flush=True)
print("worker done", file=sys.stderr)
"""

child = subprocess.Popen(
    [sys.executable, "-c", WORKER],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
)
for n in (3, 12, 2**20):
    print(n, file=child.stdin, flush=True)
    print(n, child.stdout.readline().strip())
_, errors = child.communicate()
print(errors.strip(), child.returncode)

failing = subprocess.run([sys.executable, "-c", "import sys; sys.exit('no luck')"],
                         capture_output=True, text=True)
print(failing.returncode, failing.stderr.strip())

try:
    subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.3)
except subprocess.TimeoutExpired:
    print("timed out")

shell = subprocess.run("for i in 1 2 3; do echo line $i; done | sort -r | head -n 1",
                       shell=True, capture_output=True, text=True, check=True)
print(shell.stdout.strip())

read_end, write_end = os.pipe()
pid = os.fork()
if pid == 0:
    os.write(write_end, b"from the fork")
    os._exit(3)
os.close(write_end)
print(os.read(read_end, 100).decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
