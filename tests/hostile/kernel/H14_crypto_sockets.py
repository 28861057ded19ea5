# tries = "the kernel's crypto by sockets (Copy Fail) and by ULP"
# verdict = "ok"
# expect = { "alg" = "ENOSYS", "key" = "ENOSYS", "xfrm" = "ENOSYS", "crypto netlink" = "ENOSYS", "tls" = "ENOENT|ENOTCONN|EPERM|EPROTONOSUPPORT|ENOPROTOOPT" }
import socket

for kind in (5, 5 | 0o4000, 5 | 0o2000000, 2, 3):
    call(41, 38, kind, 0, step="alg")
    call(53, 38, kind, 0, (ctypes.c_int * 2)(), step="alg")
call(41, 15, 3, 2, step="key")
call(41, 16, 3, 6, step="xfrm")
call(41, 16, 3, 21, step="crypto netlink")
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
attempt("tls", lambda: client.setsockopt(6, 31, b"tls"))
