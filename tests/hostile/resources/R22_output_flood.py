# tries = "write to stdout without end"
# verdict = "output_limit"
# stdout = "\\A(y\\n){524288}\\Z"
block = b"y\n" * 32768
while True:
    os.write(1, block)
