# tries = "keep the reader awake with writes of 0 bytes and of 1 byte"
# verdict = ["time_limit", "output_limit"]
# timeout = "1s"
# health_ms = 100
while True:
    os.write(1, b"")
    os.write(1, b"x")
    os.write(2, b"")
