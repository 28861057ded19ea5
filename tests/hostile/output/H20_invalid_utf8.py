# tries = "print bytes that are no UTF-8, with NUL, overlong forms and surrogates"
# verdict = "ok"
# stdout_hex = "00ff80c0afeda080f4908080c3286162000a"
os.write(1, bytes.fromhex("00ff80c0afeda080f4908080c3286162000a"))
