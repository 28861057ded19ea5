# tries = "reach the host through the links in /proc of pid 1, the parent and the service"
# verdict = "ok"
# expect = { "root" = "ENOENT", "cwd" = "ENOENT", "fd" = "ENOENT", "environ" = "ENOENT", "maps" = "ENOENT", "ns" = "ENOENT" }
for pid in (1, os.getppid() or 1, @SERVICE_PID@, @LAUNCHER_PID@):
    for link in ("root", "cwd", "fd"):
        attempt(link, lambda: os.listdir(f"/proc/{pid}/{link}"))
    for file in ("environ", "maps"):
        attempt(file, lambda: open(f"/proc/{pid}/{file}").read())
    attempt("ns", lambda: os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY))
