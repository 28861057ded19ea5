# tries = "scripts that are each other's interpreters"
# verdict = "ok"
# expect = { "loop" = "ELOOP|ENOEXEC", "long" = "ENOEXEC|ENOENT|EACCES", "folder" = "EACCES" }
import subprocess


def make(name, text):
    with open(name, "w") as f:
        f.write(text)
    os.chmod(name, 0o755)


make("a", "#!/box/b\n")
make("b", "#!/box/a\n")
make("c", "#!" + "/" * 5000 + "\n")
make("d", "#!/box\n")
attempt("loop", lambda: subprocess.run(["/box/a"]))
attempt("long", lambda: subprocess.run(["/box/c"]))
attempt("folder", lambda: subprocess.run(["/box/d"]))
