# tries = "offer a sparse file of the greatest size as the compiled program"
# language = "build"
# verdict = "nonzero_exit"
# exit_code = [126, 127]
# stderr = "cannot run ./main: "
os.truncate(os.open("main", os.O_CREAT | os.O_RDWR), 64 << 20)
