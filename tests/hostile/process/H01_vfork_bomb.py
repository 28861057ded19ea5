# tries = "a bomb of vforks and immediate exits"
# verdict = "time_limit"
# timeout = "1s"
# max_processes = 64
import subprocess

for _ in range(5):
    os.fork()
while True:
    try:
        subprocess.Popen(["/bin/true"])
    except OSError:
        pass
