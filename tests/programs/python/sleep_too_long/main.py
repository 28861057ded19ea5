import signal
import sys
import time

# Ignoring what can be ignored does not help against the limit.
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
print("before", flush=True)
print("partial line", end="", flush=True)
sys.stderr.write("waiting\n")
time.sleep(600)
print("after")
