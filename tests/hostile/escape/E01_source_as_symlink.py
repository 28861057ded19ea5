# tries = "replace its own source, the file that the service wrote, by links to the host's files"
# verdict = "ok"
# expect = { "/etc/shadow" = "ENOENT", "state" = "ENOENT", "canary" = "ENOENT" }
for step, target in (("/etc/shadow", "/etc/shadow"), ("state", "@STATE_DIR@/log"), ("canary", "@CANARY@")):
    os.remove("main.py")
    os.symlink(target, "main.py")
    attempt(step, lambda: open("main.py").read())
