# tries = "offer an ELF file with a header of nonsense"
# language = "build"
# verdict = "nonzero_exit"
# exit_code = [126, 127]
# stderr = "cannot run ./main: "
open("main", "wb").write(b"\x7fELF\2\1\1" + b"\0" * 9 + b"\2\0\x3e\0" + b"\xff" * 4000)
