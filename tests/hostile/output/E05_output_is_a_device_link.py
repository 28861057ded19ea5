# tries = "offer as the compiled program: output_is_a_device_link"
# language = "build"
# verdict = "compile_error"
# message = "could not be read: reached through a link"
os.symlink('/dev/zero', 'main')
