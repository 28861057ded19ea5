# tries = "offer as the compiled program: output_is_a_folder"
# language = "build"
# verdict = "compile_error"
# message = "could not be read: (not a regular file)"
os.mkdir('main'); os.symlink('/etc', 'main/d')
