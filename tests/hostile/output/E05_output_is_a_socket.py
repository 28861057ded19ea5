# tries = "offer as the compiled program: output_is_a_socket"
# language = "build"
# verdict = "compile_error"
# message = "could not be read: not found"
import socket

attempt("bind", lambda: socket.socket(socket.AF_UNIX).bind("main"))
