# tries = "write read-only mappings of system files through /proc/self/mem"
# verdict = "ok"
# expect = { "private" = "changed for itself only", "file" = "as before" }
import mmap

path = os.__file__
with open(path, "rb") as f:
    before = f.read()
    private = mmap.mmap(f.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    shared = mmap.mmap(f.fileno(), 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)


def address(area):
    return ctypes.addressof(ctypes.c_char.from_buffer_copy(b"x")) and int(
        next(line.split("-")[0] for line in open("/proc/self/maps") if path in line and area in line), 16)


with open("/proc/self/mem", "r+b", buffering=0) as memory:
    for kind, area in (("private", " r--p "), ("shared", " r--s ")):
        try:
            memory.seek(address(area))
            memory.write(b"OVERWRITTEN")
        except OSError:
            pass
say("private", "changed for itself only" if shared[:11] == before[:11] else "changed for all")
say("file", "as before" if open(path, "rb").read() == before else "changed")
