# tries = "offer as the compiled program: output_is_missing"
# language = "build"
# verdict = "compile_error"
# message = "could not be read: not found"
pass
