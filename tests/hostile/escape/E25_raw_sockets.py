# tries = "raw and packet sockets, to sniff and to forge"
# verdict = "ok"
# expect = { "raw4" = "ENOSYS", "raw6" = "ENOSYS", "packet" = "ENOSYS", "ping" = "ENOSYS", "bluetooth" = "ENOSYS", "xdp" = "ENOSYS" }
import socket

attempt("raw4", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 255))
attempt("raw6", lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58))
attempt("packet", lambda: socket.socket(17, socket.SOCK_RAW, 0x300))
attempt("packet", lambda: socket.socket(17, socket.SOCK_DGRAM, 0x300))
attempt("ping", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1))
attempt("bluetooth", lambda: socket.socket(31, socket.SOCK_RAW, 1))
attempt("xdp", lambda: socket.socket(44, socket.SOCK_RAW, 0))
