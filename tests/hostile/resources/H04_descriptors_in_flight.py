# tries = "hide descriptors in messages that nobody receives, and in circles of sockets"
# verdict = ["ok", "memory_limit"]
# expect = { "sent" = "(ETOOMANYREFS|EAGAIN|EMFILE) after [0-9]+" }
import array
import socket

a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
a.setblocking(False)
sent = 0
try:
    while sent < 100000:
        c, d = socket.socketpair()
        c.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [c.fileno(), d.fileno()]))])
        d.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [c.fileno(), d.fileno()]))])
        a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [c.fileno()] * 200))])
        c.close()
        d.close()
        sent += 1
except OSError as error:
    say("sent", f"{errno_name(error.errno)} after {sent}")
