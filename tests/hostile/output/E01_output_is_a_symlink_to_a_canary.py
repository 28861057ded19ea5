# tries = "offer as the compiled program: output_is_a_symlink_to_a_canary"
# language = "build"
# verdict = "compile_error"
# message = "could not be read: reached through a link"
os.symlink('@CANARY@', 'main')
