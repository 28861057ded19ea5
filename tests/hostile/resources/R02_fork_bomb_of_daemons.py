# tries = "fork bomb whose members ignore every signal and leave the session"
# verdict = "time_limit"
# timeout = "1s"
# max_processes = 64
import signal

for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    try:
        if os.fork() == 0:
            os.setsid()
    except OSError:
        pass
