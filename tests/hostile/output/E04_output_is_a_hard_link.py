# tries = "offer as the compiled program: output_is_a_hard_link"
# language = "build"
# verdict = "compile_error"
# message = "could not be read: (not a regular file)"
open('x', 'w').close(); os.link('x', 'main')
