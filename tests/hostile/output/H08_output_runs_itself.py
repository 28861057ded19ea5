# tries = "offer a script that is its own interpreter"
# language = "build"
# verdict = "nonzero_exit"
# exit_code = [126, 127]
# stderr = "cannot run ./main: "
open("main", "w").write("#!/box/main\n")
