# tries = "a fork bomb in the compile step"
# language = "build"
# verdict = "compile_error"
# message = "The compiler exceeded its time limit"
while True:
    try:
        os.fork()
    except OSError:
        pass
