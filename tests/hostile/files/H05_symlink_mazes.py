# tries = "links to themselves, links of links, and links with the longest targets"
# verdict = "ok"
# expect = { "self" = "ELOOP", "chain" = "ELOOP", "maze" = "ELOOP|ENOENT", "long" = "done|ENAMETOOLONG" }
os.symlink("self", "self")
attempt("self", lambda: open("self"))
open("l0", "w").close()
for n in range(50):
    os.symlink(f"l{n}", f"l{n + 1}")
attempt("chain", lambda: open("l50"))
os.mkdir("m")
os.symlink("../m", "m/m")
attempt("maze", lambda: open("m/" * 60 + "x"))
attempt("long", lambda: os.symlink("x" * 4095, "long"))
