# tries = "a memory bomb in the compile step"
# language = "build"
# verdict = "compile_error"
# needs = ["cgroup"]
# message = "The compiler exceeded its memory limit of 1GiB"
block = []
while True:
    block.append(bytearray(16 << 20))
    for page in range(0, 16 << 20, 4096):
        block[-1][page] = 1
