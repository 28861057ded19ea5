# tries = "one byte, then a line of 1 GiB"
# verdict = "output_limit"
# stdout = "\\Aab{1048575}\\Z"
os.write(1, b"a")
block = b"b" * 65536
for _ in range(1 << 14):
    os.write(1, block)
