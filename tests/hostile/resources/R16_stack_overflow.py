# tries = "overflow the stack of native code"
# verdict = "signalled"
# signal = 11
sys.setrecursionlimit(10**9)
comparator = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
array = (ctypes.c_int * 2)(2, 1)


@comparator
def compare(a, b):
    libc.qsort(array, 2, 4, compare)
    return 0


libc.qsort(array, 2, 4, compare)
