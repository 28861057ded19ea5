# tries = "leave System V and POSIX IPC objects for the next job"
# verdict = "ok"
# rounds = 2
# expect = { "shmget" = "ENOSYS", "semget" = "ENOSYS", "msgget" = "ENOSYS", "mq_open" = "ENOSYS", "posix shm" = "new" }
call("shmget", 4711, 4096, 0o1666)
call("semget", 4711, 1, 0o1666)
call("msgget", 4711, 0o1666)
call("mq_open", b"left", 0o102, 0o666, 0)
from multiprocessing import shared_memory  # noqa: E402

try:
    shared_memory.SharedMemory("left", create=True, size=4096)
    say("posix shm", "new")
except FileExistsError:
    say("posix shm", "left by an earlier job")
os._exit(0)
