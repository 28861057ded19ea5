# tries = "flood the compiler's messages"
# language = "build"
# verdict = "compile_error"
# message = "The compiler exceeded its output limit"
while True:
    os.write(2, b"error\n" * 10000)
