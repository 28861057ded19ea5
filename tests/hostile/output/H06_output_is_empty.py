# tries = "offer an empty file as the compiled program"
# language = "build"
# verdict = "nonzero_exit"
# exit_code = [126, 127]
# stderr = "cannot run ./main: "
open("main", "w").close()
