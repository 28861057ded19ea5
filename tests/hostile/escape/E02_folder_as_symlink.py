# tries = "replace folders of its own by links to folders of the host"
# verdict = "ok"
# expect = { "/etc" = "alternatives.*", "/root" = "ENOENT", "state" = "ENOENT", "/proc/1/root" = "ENOENT", "/proc/self/root" = "bin box .*" }
for target in ("/etc", "/root", "@STATE_DIR@", "/proc/1/root", "/proc/self/root"):
    os.symlink(target, "d")
    attempt("state" if target == "@STATE_DIR@" else target, lambda: " ".join(sorted(os.listdir("d/"))))
    os.remove("d")
