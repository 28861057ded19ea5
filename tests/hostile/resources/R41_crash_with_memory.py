# tries = "crash with much memory, so that a core dump is written or piped to a handler of the host"
# verdict = "signalled"
# signal = 11
block = bytearray(80 << 20)
for page in range(0, len(block), 4096):
    block[page] = 1
ctypes.string_at(0)
