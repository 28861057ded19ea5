# tries = "attach socket filters, classic and extended, and a reuse-port program"
# verdict = "ok"
# expect = { "extended" = "EPERM|EBADF|EINVAL", "classic" = "done|EPERM", "huge classic" = "EINVAL|ENOMEM" }
import socket
import struct

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
attempt("extended", lambda: s.setsockopt(1, 50, struct.pack("i", 0)))
attempt("extended", lambda: s.setsockopt(1, 52, struct.pack("i", 0)))
code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0xFFFF))
attempt("classic", lambda: s.setsockopt(1, 26, struct.pack("HxxxxxxQ", 1, ctypes.addressof(code))))
attempt("huge classic", lambda: s.setsockopt(1, 26, struct.pack("HxxxxxxQ", 65535, ctypes.addressof(code))))
