# tries = "flood both streams from 40 processes at once"
# verdict = "output_limit"
for _ in range(40):
    if os.fork() == 0:
        break
block = b"z" * 65536
while True:
    os.write(1, block)
    os.write(2, block)
