# tries = "every allowed system call with nonsense for arguments"
# verdict = ["ok", "signalled", "time_limit", "nonzero_exit", "policy_violation", "memory_limit"]
# timeout = "2s"
import random
import signal

random.seed(os.urandom(8))
SKIP = {12, 34, 35, 56, 57, 58, 59, 60, 61, 62, 186, 200, 230, 231, 234, 247, 322, 9, 10, 11, 15, 25, 28, 130, 219}
VALUES = (0, 1, -1, 3, 4096, 1 << 31, 1 << 47, -(1 << 47), 1 << 63 - 1, 0x7FFFFFFF)
for _ in range(30):
    pid = os.fork()
    if pid == 0:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        os.close(1)
        os.close(2)
        for _ in range(400):
            number = random.randrange(0, 470)
            if number not in SKIP:
                raw(number, *(random.choice(VALUES) for _ in range(6)))
        os._exit(0)
    os.waitpid(pid, 0)
os._exit(0)
