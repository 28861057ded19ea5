# tries = "fill the queue of pending signals, which is counted by user"
# verdict = "ok"
# expect = { "queued" = "2[0-9][0-9]", "end" = "EAGAIN" }
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGRTMIN})
info = (ctypes.c_char * 128)()
info[0:4] = int(signal.SIGRTMIN).to_bytes(4, "little")
info[8:12] = (-1).to_bytes(4, "little", signed=True)  # SI_QUEUE
queued = 0
while (result := libc.syscall(129, os.getpid(), int(signal.SIGRTMIN), info)) == 0:
    queued += 1
say("queued", queued)
say("end", errno_name(ctypes.get_errno()))
