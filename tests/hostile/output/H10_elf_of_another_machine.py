# tries = "offer a 32-bit ELF file, whose system calls the filter does not know"
# language = "build"
# verdict = ["nonzero_exit", "compile_error", "policy_violation", "signalled"]
import struct

code = b"\xb8\x14\0\0\0\xcd\x80\xb8\1\0\0\0\xbb\0\0\0\0\xcd\x80"  # getpid, exit(0)
header = b"\x7fELF\1\1\1" + b"\0" * 9 + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x8048054, 52, 0, 0, 52, 32, 1, 0, 0, 0)
program = struct.pack("<IIIIIIII", 1, 0, 0x8048000, 0x8048000, 84 + len(code), 84 + len(code), 5, 4096)
open("main", "wb").write(header + program + code)
