# tries = "broken robust lists, locks of nobody, waits on foreign and forbidden addresses"
# verdict = "signalled"
# signal = 11
FUTEX = 202
word = (ctypes.c_uint * 16)()
for operation in range(14):
    if operation in (0, 9):     # these wait
        continue
    for address in (0, 1, 0xFFFF800000000000 - (1 << 64), -4096, ctypes.addressof(word)):
        raw(FUTEX, address, operation | 128, 1, 1, address, 1)
        raw(FUTEX, address, operation, 1, 1, address, 1)
raw("get_robust_list", 1, word, word)
for head in (8, -8, ctypes.addressof(word)):
    pid = os.fork()
    if pid == 0:
        word[0] = ctypes.addressof(word) & 0xFFFFFFFF   # a list that is its own end
        word[1] = ctypes.addressof(word) >> 32
        raw(273, head, 24)
        os._exit(0)
    os.waitpid(pid, 0)
raw(273, -1, 24)
ctypes.string_at(0)
