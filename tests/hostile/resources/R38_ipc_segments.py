# tries = "fill System V and POSIX message queues and shared memory segments"
# verdict = "ok"
# expect = { "shmget" = "ENOSYS", "semget" = "ENOSYS", "msgget" = "ENOSYS", "mq_open" = "ENOSYS" }
call("shmget", 0, 1 << 30, 0o1600)
call("semget", 0, 32000, 0o1600)
call("msgget", 0, 0o1600)
call("mq_open", b"/queue\0", 0o102, 0o600, 0)
