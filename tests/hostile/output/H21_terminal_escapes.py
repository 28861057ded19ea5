# tries = "print terminal escapes, line separators and direction marks"
# verdict = "ok"
# stdout_hex = "1b5d303b74697465071b5b324a1b5b48e280a8e280a9e280aeefbbbf7f0d0b0c08"
os.write(1, bytes.fromhex("1b5d303b74697465071b5b324a1b5b48e280a8e280a9e280aeefbbbf7f0d0b0c08"))
