# tries = "find secrets in the environment of itself, its parent and pid 1"
# verdict = "ok"
# expect = { "own" = "HOME LANG( LC_CTYPE)? PATH PYTHONDONTWRITEBYTECODE TMPDIR", "initial" = "HOME LANG PATH PYTHONDONTWRITEBYTECODE TMPDIR", "others" = "ENOENT" }
say("own", " ".join(sorted(os.environ)))
text = open("/proc/self/environ").read()
say("initial", " ".join(sorted(part.split("=")[0] for part in text.split("\0") if part)))
for pid in (1, os.getppid() or 1, @SERVICE_PID@):
    attempt("others", lambda: open(f"/proc/{pid}/environ").read())
print("scan: ", *(part for part in text.split("\0") if "canary" in part), file=sys.stderr)
