# tries = "offer a script whose interpreter does not exist"
# language = "build"
# verdict = "nonzero_exit"
# exit_code = 127
# stderr = "cannot run ./main: "
open("main", "w").write("#!/nothing/here\n")
