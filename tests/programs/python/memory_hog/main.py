class Cache:
    def __init__(self):
        self.entries = {}

    def fill(self, count):
        for key in range(count):
            self.entries[key] = bytearray(b"x" * (1 << 20))
        return len(self.entries)


print(Cache().fill(4096))
